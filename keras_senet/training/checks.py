"""What a run can fail for, found before its first step."""

import hashlib
import json
import secrets
from pathlib import Path

import keras
import numpy as np

from keras_senet import distribution
from keras_senet.device import warn_of_slow_precision
from keras_senet.training import run_folder
from keras_senet.training.config import TrainConfig

# Arguments of a constructor that a run decides itself.
OURS = (
    "classes",
    "data_format",
    "dtype",
    "features_only",
    "include_preprocessing",
    "include_top",
    "input_shape",
    "input_tensor",
    "weights",
)


def check(config: TrainConfig, strategy, callbacks) -> None:
    """Checks what can be known before any data are opened.

    Args:
        config: the run's.
        strategy: a `tf.distribute.Strategy`.
        callbacks: Keras' callbacks.

    Raises:
        ValueError: for what can't be trained so.
    """
    if any(
        isinstance(one, keras.callbacks.BackupAndRestore) for one in callbacks
    ):
        raise ValueError(
            "`callbacks` has a BackupAndRestore, which would put weights of "
            "its own in the place of a checkpoint's. Leave it out: a run goes "
            "on by itself when the same command is run again."
        )
    replicas = strategy.num_replicas_in_sync
    if config.batch_size % (replicas * config.accumulation):
        raise ValueError(
            f"`batch_size` is {config.batch_size}. Allowed: a multiple of "
            f"{replicas * config.accumulation}, for {replicas} devices and "
            f"accumulation={config.accumulation}."
        )
    taken = sorted(config.options.keys() & set(OURS))
    if taken:
        raise ValueError(
            f"`options` has {taken[0]!r}, which the run decides itself (from "
            "the data, `image_size`, `weights` and `precision`). Leave it out."
        )
    warn_of_slow_precision(config.precision)


def check_workers(config: TrainConfig, facts: dict, strategy) -> None:
    """Checks that all workers train the same, as the first one writes.

    Args:
        config: the run's.
        facts: those of its data (`inputs.facts_of`).
        strategy: a `tf.distribute.Strategy`.

    Raises:
        UnrecoverableError: on all of them, if one was given something else.
    """
    worker, workers = distribution.part_of(strategy)
    text = json.dumps([config.record(), facts], sort_keys=True)
    # As many bits as a float64 has.
    digest = int(hashlib.sha256(text.encode()).hexdigest()[:13], 16)
    digests = distribution.sum_over_workers(
        strategy, np.eye(workers)[worker] * digest
    )
    others = [str(k) for k in range(workers) if digests[k] != digests[0]]
    if others:
        raise run_folder.UnrecoverableError(
            f"Worker {', '.join(others)} was given another config or other "
            "data than worker 0. Start all of them with the same command, on "
            "the same data."
        )


def check_folder(config: TrainConfig, strategy) -> None:
    """Checks that all workers see the first one's folder.

    Args:
        config: the run's.
        strategy: a `tf.distribute.Strategy`.

    Raises:
        UnrecoverableError: on all of them, if one does not.
    """
    worker, workers = distribution.part_of(strategy)
    if workers == 1:
        return
    # A new name, since a folder of their own may have files of an earlier run.
    number = secrets.randbits(52) if worker == 0 else 0
    number = int(distribution.sum_over_workers(strategy, [number])[0])
    path = Path(config.out) / f"shared-{number:013x}"
    if worker == 0:
        path.touch()
    try:
        # Which ends on no worker before the first one has written.
        distribution.sum_over_workers(strategy, [0.0])
        seen = distribution.sum_over_workers(
            strategy, np.eye(workers)[worker] * path.exists()
        )
    finally:
        if worker == 0:
            path.unlink()
    others = [str(k) for k in range(workers) if not seen[k]]
    if others:
        raise run_folder.UnrecoverableError(
            f"Worker {', '.join(others)} does not see what worker 0 writes to "
            f"{config.out}. Give all of them the same folder (--out), on a "
            "file system that they share."
        )
