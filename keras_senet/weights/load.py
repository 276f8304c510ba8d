"""Weights from a file of Keras into a model, by layer name.

Keras' own loader finds a layer by its class and its place among the layers of
that class, and ignores what it does not look for: the file of a network with
SE would load into its plain twin. Here each layer takes the arrays saved under
its name, every array is used and every variable filled, and nothing is
assigned before everything has been read.
"""

import contextlib
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np

from keras_senet.architectures.card import RECORD, Card

# The layers of a classifier, absent from a model without top.
HEAD = ("fc1", "fc2", "predictions")
# What h5py and zipfile raise for files that are not what they claim.
DAMAGE = (AttributeError, KeyError, OSError, RuntimeError, TypeError)


def load_weights(model, path, keep: Iterable[str] = ()) -> None:
    """Loads a `.weights.h5` or `.keras` file into a model.

    Args:
        model: a model of this package.
        path: the file.
        keep: names of layers that keep the values they have.

    Raises:
        ValueError: if there is no such file, it is damaged, or it was saved
            from another network. The model is unchanged then.
    """
    path = Path(path)
    with _open(path) as file:
        # The file numbers a layer's variables in the order of `weights`.
        names = {
            layer.name: [variable.name for variable in layer.weights]
            for layer in model.layers
        }
        arrays = {}
        for layer, group in _groups(file).items():
            # Those of a layer that the model lacks keep their numbers, so that
            # `assign` can name them.
            variables = names.get(layer, list(group))
            numbers = list(map(str, range(len(variables))))
            if layer in names and set(numbers) != set(group):
                raise ValueError(
                    f"The weights file {str(path)!r} has {len(group)} arrays "
                    f"({', '.join(sorted(group))}) of {layer}, and "
                    f"{model.name} has {len(variables)}. Is it of another "
                    "network, such as one of keras.applications? Nothing was "
                    "loaded."
                )
            numbers = numbers if layer in names else variables
            for number, variable in zip(numbers, variables, strict=True):
                dataset = _own_dataset(group, number)
                arrays[f"{layer}/{variable}"] = dataset
        assign(model, arrays, f"The weights file {str(path)!r}", keep)


def assign(model, arrays, origin: str, keep: Iterable[str] = ()) -> None:
    """Gives every variable of a model its array, and uses every array.

    Args:
        model: a model of this package.
        arrays: `layer/variable` -> array or HDF5 dataset. Those of a
            classifier may be left over if the model has no top.
        origin: what the arrays are, for an error.
        keep: names of layers that keep the values they have. They may be
            missing.

    Raises:
        ValueError: if an array is missing, left over or of another shape. The
            model is unchanged then.
    """
    keep = set(keep)
    wanted = {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        if layer.name not in keep
        for variable in layer.weights
    }
    if not any(key.startswith("predictions/") for key in wanted):
        keep.update(HEAD)
    missing = [key for key in wanted if key not in arrays]
    extra = [
        key
        for key in arrays
        if key not in wanted and key.split("/")[0] not in keep
    ]
    if missing and not extra and all("predictions" in key for key in missing):
        raise ValueError(
            f"{origin} has no classifier. Build {model.name} with "
            "`include_top=False`."
        )
    if missing or extra:
        words = [_some("it lacks", missing), _some("it alone has", extra)]
        raise ValueError(
            f"{origin} belongs to another network than {model.name}: "
            f"{'; '.join(filter(None, words))}. Nothing was loaded."
        )
    # Shapes are compared before anything is read: a header may lie about them.
    for key, variable in wanted.items():
        if tuple(arrays[key].shape) != tuple(variable.shape):
            raise ValueError(
                f"{origin} holds {key} in the shape "
                f"{tuple(arrays[key].shape)}, {model.name} in "
                f"{tuple(variable.shape)}. Nothing was loaded."
            )
    values = {key: _floats(key, arrays[key], origin) for key in wanted}
    for key, variable in wanted.items():
        variable.assign(values[key])


def _floats(key, array, origin):
    values = np.asarray(array)
    if values.dtype == "V2":
        # HDF5 has no bfloat16: Keras writes its bits and says so beside them.
        values = values.view(ml_dtypes.bfloat16)
    if values.dtype.kind != "f" and values.dtype != ml_dtypes.bfloat16:
        raise ValueError(
            f"{origin} holds {key} as {values.dtype}. Allowed: floating-point "
            "numbers. Nothing was loaded."
        )
    values = values if values.dtype == "float64" else values.astype("float32")
    if not np.isfinite(values).all():
        raise ValueError(
            f"{origin} holds {key} with values that are no finite numbers. "
            "Nothing was loaded."
        )
    return values


def _own_dataset(group, name):
    """An array of a file, which must lie in that file."""
    link = group.get(name, getlink=True)
    item = group[name] if isinstance(link, h5py.HardLink) else None
    if (
        not isinstance(item, h5py.Dataset)
        or item.external
        or item.is_virtual
        or item.shape is None
    ):
        raise ValueError(
            f"The weights file is damaged: {group.name}/{name} is no array "
            "in it. Nothing was loaded."
        )
    return item


def _some(words, keys):
    if not keys:
        return ""
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"{words} {', '.join(keys[:3])}{more}"


def classes_in(path) -> int | None:
    """Returns the number of classes of the classifier in a weights file.

    Args:
        path: a `.weights.h5` or `.keras` file.

    Returns:
        An integer, or `None` if the file has no classifier.

    Raises:
        ValueError: if there is no such file or it is damaged.
    """
    with _open(Path(path)) as file:
        head = _groups(file).get("predictions")
        if head is None:
            return None
        if "0" not in head or not head["0"].shape:
            raise ValueError(
                f"The weights file {str(path)!r} is damaged: its classifier "
                "has no kernel."
            )
        kernel = _own_dataset(head, "0")
        if kernel.nbytes > Path(path).stat().st_size * 100:
            raise ValueError(
                f"The weights file {str(path)!r} is damaged: its classifier "
                "claims more than the file can hold."
            )
        return int(kernel.shape[-1])


def card_in(path) -> dict | None:
    """Returns what a saved model or a file of weights says of itself.

    Args:
        path: a `.keras` or `.weights.h5` file.

    Returns:
        The fields of the `Card` of a model, or of weights the `record` alone;
        `None` if the file says nothing.

    Raises:
        ValueError: if the file is damaged.
    """
    path = Path(path)
    if path.suffix != ".keras":
        with _open(path) as file:
            record = file.attrs.get(RECORD)
            return {"record": json.loads(record)} if record else None
    _check_there(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > 1 << 26:
                raise ValueError("its configuration is too long")
            config = json.loads(archive.read("config.json"))
        card = config["config"].get("card")
        if card is not None:
            Card.from_dict(card).check()
        return card
    except (
        *DAMAGE,
        RecursionError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(
            f"The model file {str(path)!r} is damaged, or no file of Keras: "
            f"{error}. Nothing was loaded."
        ) from error


def _check_there(path):
    try:
        there = path.is_file()
    except OSError:
        # Such as a name that is too long.
        there = False
    if not there:
        raise ValueError(
            f"The weights file {str(path)!r} does not exist. Give the path of "
            "a .weights.h5 or .keras file."
        )


@contextlib.contextmanager
def _open(path):
    _check_there(path)
    try:
        with contextlib.ExitStack() as stack:
            source = path
            if path.suffix == ".keras":
                archive = stack.enter_context(zipfile.ZipFile(path))
                source = stack.enter_context(archive.open("model.weights.h5"))
            yield stack.enter_context(h5py.File(source, "r"))
    except (*DAMAGE, zipfile.BadZipFile) as error:
        raise ValueError(
            f"The weights file {str(path)!r} is damaged, or no weights file "
            f"of Keras: {error}. Nothing was loaded."
        ) from error


def _groups(file):
    """The arrays of each layer, by its name, as saving_lib.py writes them."""
    groups = {}

    def visit(key, item):
        # `layers/KIND/vars`; deeper lie the layers inside of layers (a
        # dropout's seed generator).
        parts = key.split("/")
        if len(parts) == 3 and parts[2] == "vars" and len(item):
            name = str(item.attrs.get("name", key))
            if name in groups:
                raise KeyError(f"it has the layer {name} twice")
            groups[name] = item

    file.visititems(visit)
    return groups
