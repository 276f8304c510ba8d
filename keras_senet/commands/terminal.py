"""What the commands print with."""


def console(stderr: bool = False):
    """Returns the console of rich.

    Args:
        stderr: whether it writes to standard error. Defaults to `False`.

    Returns:
        A `rich.console.Console`.
    """
    from rich.console import Console

    found = Console(stderr=stderr)
    if not found.is_terminal:
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
