"""The folder of a run: whose it is, and what it ends with."""

import csv
import io
import json
import os
from pathlib import Path

import filelock

from keras_senet.replace import replaced
from keras_senet.training import checkpoints
from keras_senet.training.config import TrainConfig

CONFIG, LOCK, CHECKPOINTS = "config.json", "lock", "checkpoints"
UNREADABLE = "unreadable.json"
HISTORY, CURVES, MODEL = "history.csv", "curves.png", "model.keras"


class TrainingError(RuntimeError):
    """A run that can't go on; the message says why, and what to do."""


class UnrecoverableError(TrainingError):
    """A run that would end in the same way if it were started again."""


class Preempted(TrainingError):
    """A run that SIGTERM ended, here or elsewhere, once it was saved."""


def claim(config: TrainConfig, data: dict) -> filelock.FileLock:
    """Makes the folder this config's, and keeps other processes out of it.

    Args:
        config: the run's config.
        data: facts of the training data that must stay as they are.

    Returns:
        The lock that is held until it is released or the process ends.

    Raises:
        ValueError: if the folder belongs to another config, with what differs.
        TrainingError: if another process trains in it.
    """
    folder = Path(config.out)
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            f"`out` is {str(folder)!r}, which is a file. Give a folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout as error:
        raise TrainingError(
            f"Another process trains in {folder}. Wait for it, or give another "
            "folder (--out)."
        ) from error
    try:
        _write_config(folder / CONFIG, {**config.record(), "data_found": data})
    except BaseException:
        lock.release()
        raise
    return lock


def _write_config(path, record):
    if path.exists():
        try:
            there = json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(
                f"{path} is damaged. Remove it, and the run goes on with the "
                "config that is given; or give another folder (--out)."
            ) from error
        if there == record:
            return
        changed = [
            f"{name} is {record.get(name)!r}, was {there.get(name)!r}"
            for name in sorted(record.keys() | there.keys())
            if record.get(name) != there.get(name)
        ]
        # Where nothing was trained yet the config may still be mended.
        if changed and not checkpoints.find(path.parent / CHECKPOINTS):
            (path.parent / UNREADABLE).unlink(missing_ok=True)
        elif changed:
            raise ValueError(
                f"The run in {path.parent} belongs to another config: "
                f"{'; '.join(changed)}. Give another folder (--out), or the "
                "config as it was."
            )
    write_text(path, json.dumps(record, indent=2) + "\n")


def write_history(folder: Path, rows: list[dict]) -> None:
    """Writes `history.csv`, a row per epoch.

    Args:
        folder: the run's folder.
        rows: what was logged of every epoch; what an epoch lacks, such as a
            validation, is left empty.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / HISTORY, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Writes a file that is whole or not there.

    Args:
        path: the file.
        text: its content.

    Raises:
        OSError: if it can't be written; the file stays as it was.
    """
    try:
        with replaced(path) as partial, partial.open("w") as file:
            file.write(text)
            # Else a power cut may leave an empty file under the name.
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} can't be written: {checkpoints.reason(error)}. Make room, "
            "and run the same command again.",
        ) from error
