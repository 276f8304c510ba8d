"""Signals that ask a run to stop."""

import contextlib
import logging
import signal
from collections.abc import Iterator

logger = logging.getLogger("keras_senet")


@contextlib.contextmanager
def signals() -> Iterator[list[int]]:
    """Catches SIGTERM and SIGINT, so that a run can save before it ends.

    A second one ends it at once.

    Yields:
        A list that will have the number of the signal.
    """
    caught, before = [], {}

    def on_signal(number, _frame):
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        logger.warning(
            "%s: saving a checkpoint, then ending. Once more ends at once.",
            signal.Signals(number).name,
        )

    # Python allows it in the main thread alone; elsewhere the caller decides.
    with contextlib.suppress(ValueError):
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, on_signal)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
