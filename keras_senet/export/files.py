"""What an export writes: the file, its report and its labels."""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_senet._version import __version__
from keras_senet.architectures.card import Card
from keras_senet.export.report import Report
from keras_senet.replace import replaced

# What is written beside a file.
BESIDE = (".json", ".labels.txt")
# What belongs to a file by its suffix: OpenVINO's weights.
PARTS = {".xml": (".bin",)}
# What made it, by the names of the packages; some of them where they are.
MAKERS = (
    "ai-edge-litert",
    "keras",
    "onnxruntime",
    "openvino",
    "tensorflow",
    "tf2onnx",
)


def check_path(path, suffix: str) -> Path:
    """Returns the path of a file, once it is sure that it can be written.

    Args:
        path: the file, as it was given.
        suffix: how its name must end; of a folder not at all.

    Returns:
        A `Path`.

    Raises:
        ValueError: if it can't.
    """
    allowed = f"a name that ends in {suffix}"
    if not suffix:
        allowed = "the name of a folder, without a dot"
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f"`path` is {path!r}. Allowed: {allowed}.")
    path = Path(path)
    if path.suffix != suffix or not path.name:
        raise ValueError(f"`path` is {str(path)!r}. Allowed: {allowed}.")
    if not path.absolute().parent.is_dir():
        raise ValueError(
            f"`path` is {str(path)!r}, and there is no such folder. Make it "
            "first."
        )
    suffixes = (*BESIDE, *PARTS.get(suffix, ()))
    for one in (path, *map(path.with_suffix, suffixes)):
        if one.is_dir():
            raise ValueError(
                f"`path` is {str(path)!r}, and {str(one)!r} is a folder. "
                "Remove it, or choose another name."
            )
    if not suffix and path.exists():
        raise ValueError(
            f"`path` is {str(path)!r}, which is a file, and a folder is to be "
            "written. Remove it, or choose another name."
        )
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        raise ValueError(
            f"`path` is {str(path)!r}, where nothing can be written "
            f"({error.strerror}). Choose another folder."
        ) from error
    return path


def write(
    path: Path,
    content: bytes,
    card: Card,
    labels: Sequence[str] | None,
    report: Report,
) -> None:
    """Writes a file and what goes beside it.

    Args:
        path: the file.
        content: its content.
        card: as for `beside`.
        labels: as for `beside`.
        report: as for `beside`.
    """
    files = beside(path, card, labels, report)
    write_files({path: content, **files})
    remove_stale(path, files)


def beside(
    path: Path, card: Card, labels: Sequence[str] | None, report: Report
) -> dict[Path, str]:
    """Returns what goes beside a file: all that is known of it, and its labels.

    Args:
        path: the file.
        card: the card of what it was made of.
        labels: names of the outputs, or `None`.
        report: its `Report`.

    Returns:
        Texts by path.
    """
    model = card.to_dict()
    del model["class_names"]
    # Of the file itself `evaluate --tflite` says it.
    model["measured_in_keras"] = model.pop("measured")
    versions = {"keras_senet": __version__, **_versions()}
    facts = {
        "file": path.name,
        **dataclasses.asdict(report),
        "model": model,
        "versions": versions,
    }
    text = json.dumps(facts, indent=2, allow_nan=False)
    files = {path.with_suffix(".json"): f"{text}\n"}
    if labels is not None:
        names = "".join(f"{label}\n" for label in labels)
        files[path.with_suffix(".labels.txt")] = names
    return files


def _versions():
    found = {}
    for name in MAKERS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def write_files(files: dict[Path, bytes | str]) -> None:
    """Writes files, each of them whole or not there.

    Args:
        files: their contents by path.

    Raises:
        OSError: if they can't be written.
    """
    with contextlib.ExitStack() as stack:
        # None takes its place before the last is written.
        for path, content in files.items():
            if isinstance(content, str):
                content = content.encode()
            stack.enter_context(replaced(path)).write_bytes(content)


def remove_stale(path: Path, written: Iterable[Path]) -> None:
    """Removes what an earlier export of that name left beside a file.

    Args:
        path: the file.
        written: what was written now.
    """
    for one in map(path.with_suffix, BESIDE):
        if one not in written:
            one.unlink(missing_ok=True)
