"""Files that are whole or not there."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Gives a file another name while it is written.

    Args:
        path: the file, which is replaced at the end, or stays as it was if
            there is an error.

    Yields:
        A name beside it with the same suffix, which nobody else has.
    """
    partial = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
