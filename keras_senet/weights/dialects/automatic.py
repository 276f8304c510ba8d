"""Automatic names of Keras 2: `conv2d_57` is the 57th of its session."""

import re


def number_of(layer: str, prefix: str) -> int | None:
    """Returns the number in an automatic name.

    Args:
        layer: name of a layer.
        prefix: the kind of layer, such as `"conv2d"`.

    Returns:
        The number, 0 for the prefix alone (tf.keras leaves it out of the
        first name), or `None` for another kind of layer.
    """
    match = re.fullmatch(rf"{prefix}(?:_(\d+))?", layer)
    return int(match.group(1) or 0) if match else None
