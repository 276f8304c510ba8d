"""What Keras' callbacks remember, so that a run which goes on has it again."""

import copy
import inspect
import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_senet.replace import replaced

PLAIN = (bool, int, float, str, type(None))


def settings_of(callbacks: Sequence[keras.callbacks.Callback]) -> list[dict]:
    """Returns what callbacks were made with, before a run begins.

    Args:
        callbacks: the callbacks.

    Returns:
        Per callback its plain attributes that are called as arguments of its
        class.
    """
    settings = []
    for callback in callbacks:
        names = {
            name
            for kind in type(callback).__mro__[:-1]
            for name in inspect.signature(kind).parameters
        }
        settings.append(
            {
                # A copy, of what may be a list that grows.
                name: copy.deepcopy(value)
                for name, value in vars(callback).items()
                if name in names and _is_plain(value)
            }
        )
    return settings


def state_of(
    callbacks: Sequence[keras.callbacks.Callback], settings: list[dict]
) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Returns what callbacks remember.

    Args:
        callbacks: the callbacks, in the order in which `restore` gets them.
        settings: what they were made with, which a run that goes on may have
            otherwise, such as the folder that a `ModelCheckpoint` writes into.

    Returns:
        Per callback its plain attributes, or the text of a `CSVLogger`'s file,
        which is all that it needs; and arrays by name, such as
        `EarlyStopping`'s best weights.
    """
    states, arrays = [], {}
    for number, (callback, made) in enumerate(
        zip(callbacks, settings, strict=True)
    ):
        if isinstance(callback, keras.callbacks.CSVLogger):
            path = Path(callback.filename)
            text = path.read_text() if path.exists() else ""
            states.append({"class": type(callback).__name__, "text": text})
            continue
        plain = {}
        for name, value in vars(callback).items():
            if name in made and _is_plain(value) and value == made[name]:
                continue
            # Whose sign Keras turns at the first epoch, and would again.
            if name == "min_delta" and hasattr(callback, "monitor_op"):
                continue
            if isinstance(value, np.generic) or _is_scalar(value):
                value = np.asarray(value).item()
            if _is_plain(value):
                plain[name] = value
            elif _is_weights(value):
                for k, array in enumerate(value):
                    arrays[f"callback/{number}/{name}/{k:05d}"] = array
        states.append({"class": type(callback).__name__, "attributes": plain})
    return states, arrays


def restore_files(callbacks, states: list[dict]) -> None:
    """Takes from the files of callbacks what came after a checkpoint.

    Args:
        callbacks: those given to `state_of`.
        states: what it returned.
    """
    for callback, _, state in _matches(callbacks, states):
        if "text" in state:
            path = Path(callback.filename)
            with replaced(path) as partial:
                partial.write_text(state["text"])
            # Which else would empty it when training begins.
            callback.append = True


def restore(callbacks, states: list[dict], arrays: dict) -> None:
    """Gives callbacks what they remembered; after `on_train_begin`.

    Args:
        callbacks: those given to `state_of`. One that was added since then
            starts anew.
        states: what it returned.
        arrays: what it returned as well.
    """
    for callback, number, state in _matches(callbacks, states):
        vars(callback).update(state.get("attributes", {}))
        if state.get("text"):
            # Which `CSVLogger` else takes from the next row, whatever it has.
            header = state["text"].splitlines()[0].split(callback.sep)
            callback.keys = header[1:]
        lists = {}
        for key in sorted(arrays):
            kind, of, *rest = key.split("/")
            if kind == "callback" and int(of) == number:
                lists.setdefault(rest[0], []).append(arrays[key])
        vars(callback).update(lists)


def _matches(callbacks, states):
    """Callbacks with their states and these' numbers: the first of a class has
    the first of that class, and so on."""
    left = list(enumerate(states))
    for callback in callbacks:
        for pair in left:
            if pair[1]["class"] == type(callback).__name__:
                left.remove(pair)
                yield callback, *pair
                break


def _is_scalar(value):
    return keras.ops.is_tensor(value) and value.shape == ()


def _is_plain(value):
    if isinstance(value, PLAIN):
        return True
    try:
        return (
            isinstance(value, (list, dict))
            and json.loads(json.dumps(value)) == value
        )
    except (TypeError, ValueError):
        return False


def _is_weights(value):
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, np.ndarray) for item in value)
    )
