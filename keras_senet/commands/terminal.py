"""What the commands print with."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path


def console(stderr: bool = False):
    """Returns the console of rich.

    Args:
        stderr: whether it writes to standard error. Defaults to `False`.

    Returns:
        A `rich.console.Console`.
    """
    from rich.console import Console

    found = Console(stderr=stderr)
    # Not `is_terminal`, which FORCE_COLOR decides, as a notebook sets it.
    if not found.file.isatty():
        # Into a file or a pipe: lines are not folded at 80 columns.
        found = Console(stderr=stderr, width=500)
    return found


def table(*columns: str):
    """Returns an empty table of rich.

    Args:
        *columns: titles; a column whose title starts with > is set flush
            right. The first is never folded.

    Returns:
        A `rich.table.Table`.
    """
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        made.add_column(
            column.removeprefix(">"),
            justify="right" if column.startswith(">") else "left",
            overflow="fold",
            no_wrap=number == 0,
        )
    return made


def size(text: str) -> int | tuple[int, int]:
    """Reads a size in pixels, for argparse.

    Args:
        text: a number, or `HEIGHTxWIDTH`.

    Returns:
        What the functions of this package take for it.

    Raises:
        ValueError: for anything else.
    """
    sides = tuple(map(int, text.split("x")))
    return sides if len(sides) > 1 else sides[0]


def report(train: Callable, out: str | Path) -> int:
    """Trains, and prints how good the network has become.

    Args:
        train: trains and returns Keras' `History`.
        out: the run's folder.

    Returns:
        The exit status: 0; 1 if the run has ended and the same command goes on
        with it; 2 if that would end in the same way; 143 after SIGTERM.
    """
    from keras_senet.training.run_folder import (
        Preempted,
        TrainingError,
        UnrecoverableError,
    )

    try:
        model = train().model
    except TrainingError as error:
        print(f"keras-senet: {error}", file=sys.stderr)
        if isinstance(error, Preempted):
            return 128 + signal.SIGTERM
        return 2 if isinstance(error, UnrecoverableError) else 1
    measured = model.card.measured
    print(
        f"{model.card.title}: top-1 {measured['top1']:.2%}, top-5 "
        f"{measured['top5']:.2%} of {measured['images']} images of "
        f"{measured['dataset']}; {Path(out) / 'model.keras'}"
    )
    return 0
