"""How far a run has come, in checkpoints and out of them."""

import dataclasses
import logging
from pathlib import Path

import keras
import numpy as np

from keras_senet import distribution
from keras_senet.training import checkpoints
from keras_senet.training.callbacks import state_of
from keras_senet.training.run_folder import CHECKPOINTS, UnrecoverableError
from keras_senet.training.step import Steps

logger = logging.getLogger("keras_senet")


@dataclasses.dataclass
class RunState:
    """What a run knows of itself beside its variables.

    Attributes:
        step: number of steps that were trained.
        epoch: number of epochs that are complete.
        sums: of the present epoch's loss, and of its images whose class was
            ranked first and among the first five.
        seconds: duration of the present epoch.
        rate: learning rate of the last step.
        rows: what was logged of every epoch.
        stopped: whether a callback has ended the run.
    """

    step: int = 0
    epoch: int = 0
    sums: list[float] = dataclasses.field(default_factory=lambda: [0.0] * 3)
    seconds: float = 0.0
    rate: float = 0.0
    rows: list[dict] = dataclasses.field(default_factory=list)
    stopped: bool = False


def save(
    folder: Path,
    state: RunState,
    steps: Steps,
    callbacks: list,
    settings: list[dict],
) -> None:
    """Writes a checkpoint.

    Args:
        folder: the run's folder.
        state: how far the run has come.
        steps: has the variables.
        callbacks: Keras' callbacks, of which there is something to remember.
        settings: what they were made with.

    Raises:
        OSError: if it can't be written.
    """
    states, arrays = state_of(callbacks, settings)
    arrays |= {
        f"{kind}/{number:05d}": keras.ops.convert_to_numpy(variable)
        for kind, variables in steps.state().items()
        for number, variable in enumerate(variables)
    }
    facts = {"run": dataclasses.asdict(state), "callbacks": states}
    checkpoints.write(folder / CHECKPOINTS, state.step, arrays, facts)


def restore(
    folder: Path, steps: Steps, strategy
) -> tuple[RunState, list[dict], dict[str, np.ndarray]]:
    """Takes up the last whole checkpoint, if there is one.

    Args:
        folder: the run's folder.
        steps: gets the variables.
        strategy: a `tf.distribute.Strategy`, whose workers must all have found
            the same checkpoint.

    Returns:
        How far the run has come, and what the callbacks remember; a new
        `RunState` and nothing without a checkpoint.

    Raises:
        UnrecoverableError: if all checkpoints are damaged or of another
            version, or workers found others.
        OSError: if a damaged one can't be renamed.
    """
    found = checkpoints.find(folder / CHECKPOINTS)
    whole, damaged = None, []
    for path in found:
        try:
            whole = checkpoints.read(path)
            break
        except (ValueError, OSError) as error:
            damaged.append(path)
            logger.warning(
                "%s It is passed over, and renamed to %s%s if another one is "
                "whole.",
                error,
                path.name,
                checkpoints.DAMAGED,
            )
    if found and whole is None:
        raise UnrecoverableError(
            f"All checkpoints in {found[0].parent} are damaged. Remove the "
            "folder to begin anew."
        )
    arrays, facts = whole or ({}, {"run": {}, "callbacks": []})
    try:
        state = RunState(**facts["run"])
        kept = [
            (variable, arrays[f"{kind}/{number:05d}"])
            for kind, variables in steps.state().items()
            for number, variable in enumerate(variables)
            if whole
        ]
    except (KeyError, TypeError):
        raise UnrecoverableError(
            f"The checkpoints in {found[0].parent} are of another version of "
            "keras_senet. Go on with that one, or remove the folder to begin "
            "anew."
        ) from None
    worker, workers = distribution.part_of(strategy)
    mine = np.eye(workers)[worker] * state.step
    theirs = distribution.sum_over_workers(strategy, mine)
    if len(set(theirs)) > 1:
        raise UnrecoverableError(
            "The workers found checkpoints of the steps "
            f"{', '.join(f'{step:.0f}' for step in theirs)} in {folder}. Give "
            "all of them the same shared folder (--out)."
        )
    # All workers have read by now.
    for path in damaged if worker == 0 else ():
        checkpoints.set_aside(path)
    for variable, value in kept:
        variable.assign(value)
    return state, facts["callbacks"], arrays
