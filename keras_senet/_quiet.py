"""Keeps the log lines of C++ libraries from standard error."""

import contextlib
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quietly(show: bool = True) -> Iterator[None]:
    """Turns standard error away while libraries write past their log level.

    Args:
        show: whether what they wrote is shown if the work fails. Defaults to
            `True`.
    """
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
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
