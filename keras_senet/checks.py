"""Checks of arguments that many functions have."""

from numbers import Integral


def is_integer(value) -> bool:
    """Returns whether a value counts, numpy's too, but no boolean.

    Args:
        value: anything.

    Returns:
        A boolean.
    """
    return isinstance(value, Integral) and not isinstance(value, bool)


def integer(
    argument: str, value, least: int = 1, most: int | None = None
) -> int:
    """Returns an argument as Python's own integer.

    Args:
        argument: its name, for the error.
        value: what was given.
        least: the smallest that is allowed. Defaults to `1`.
        most: the largest. Defaults to `None`: any.

    Returns:
        An integer.

    Raises:
        ValueError: for anything else.
    """
    open_ended = most is None
    if is_integer(value) and least <= value and (open_ended or value <= most):
        return int(value)
    limit = f"of at least {least}" if open_ended else f"from {least} to {most}"
    raise ValueError(f"`{argument}` is {value!r}. Allowed: an integer {limit}.")
