"""Checkpoints that are whole or don't count."""

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save

_NAME = re.compile(r"step-(\d{10})-([0-9a-f]{64})\.safetensors")
# The one before the last is there for when the last turns out damaged.
KEPT = 2
# At the end of the name of one that was passed over.
DAMAGED = ".damaged"


def write(
    folder: Path, step: int, arrays: Mapping[str, np.ndarray], facts: dict
) -> Path:
    """Writes a checkpoint, and removes those that are not needed any more.

    The name of the file holds the SHA-256 of its bytes, and it gets this name
    when all of them are on the disk.

    Args:
        folder: the folder of the run's checkpoints.
        step: number of steps that were trained.
        arrays: arrays by name.
        facts: what else there is to remember, as JSON has it.

    Returns:
        The path of the checkpoint.

    Raises:
        OSError: if it can't be written; the ones before stay.
    """
    content = save(
        {name: np.asarray(array, order="C") for name, array in arrays.items()},
        {"facts": json.dumps(facts)},
    )
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"step-{step:010d}-{digest}.safetensors"
    partial = folder / "checkpoint.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync(folder)
    except OSError as error:
        partial.unlink(missing_ok=True)
        there = [path.name for path in find(folder)] or ["none"]
        raise OSError(
            error.errno,
            f"The checkpoint of step {step} can't be written to {folder}: "
            f"{reason(error)}. The last one before it is {there[0]}. Make "
            "room, and run the same command again.",
        ) from error
    for old in find(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def reason(error: OSError) -> str:
    """Returns why a file could not be written.

    Args:
        error: what was raised.

    Returns:
        Words for a message.
    """
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "the disk is full" if full else error.strerror


def _sync(folder):
    """Brings the folder's own entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find(folder: Path) -> list[Path]:
    """Returns the checkpoints of a folder, the last one first.

    Args:
        folder: the folder of the run's checkpoints.

    Returns:
        List of paths, whole or not.
    """
    if not folder.is_dir():
        return []
    return sorted(
        (path for path in folder.iterdir() if _NAME.fullmatch(path.name)),
        reverse=True,
    )


def read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Reads a checkpoint, and verifies it.

    Args:
        path: the checkpoint.

    Returns:
        Arrays by name, and the facts.

    Raises:
        ValueError: if its bytes are not those that were written.
    """
    from safetensors import safe_open

    digest = _NAME.fullmatch(path.name)[2]
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise ValueError(f"The checkpoint {path} is damaged.")
    with safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return arrays, json.loads(file.metadata()["facts"])


def set_aside(path: Path) -> None:
    """Renames a damaged checkpoint, so that it is not found again.

    Else it would be kept in the place of a good one of the same step.

    Args:
        path: the checkpoint.
    """
    path.rename(path.with_name(f"{path.name}{DAMAGED}"))


def step_of(path: Path) -> int:
    """Returns the number of steps that a checkpoint's name states.

    Args:
        path: the checkpoint.

    Returns:
        Number of steps.
    """
    return int(_NAME.fullmatch(path.name)[1])
