"""Keeps the log lines of C++ libraries from standard error."""

import contextlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

# Standard error is the whole process's: one thread at a time turns it away.
_TURNED_AWAY = threading.RLock()


@contextlib.contextmanager
def quietly(show: bool = True) -> Iterator[None]:
    """Turns standard error away while libraries write past their log level.

    The level of Python's root logger, which some of them raise and leave so, is
    in the end what it was.

    Args:
        show: whether what they wrote is shown if the work fails. Defaults to
            `True`.
    """
    root = logging.getLogger()
    level = root.level
    try:
        with _turned_away(show):
            yield
    finally:
        root.setLevel(level)


@contextlib.contextmanager
def _turned_away(show):
    if sys.__stderr__ is None:
        # It was closed when Python began (`2>&-`), and its number may be that
        # of any file by now.
        yield
        return
    with _TURNED_AWAY, tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            log.seek(0)
            if show:
                os.write(stderr, log.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
