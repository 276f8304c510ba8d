"""Which output of a network is which class of the images."""

import numpy as np

from keras_senet.preprocessing import class_names, wordnet_ids


def find_outputs(
    classes: list[str], names: list[str] | None, count: int, what: str
) -> np.ndarray:
    """Finds the outputs of a network that stand for some classes.

    Args:
        classes: names of the classes; their numbers where they have no names.
        names: names of the network's classes in the order of its outputs, or
            `None`. Names of ImageNet's classes mean their WordNet ids as well.
        count: number of the network's outputs.
        what: what has the classes, for the message.

    Returns:
        Array of int64, of every class the number of its output. A network may
        have more classes than there are here.

    Raises:
        ValueError: if they don't fit.

    Example:

    >>> find_outputs(["dog", "cat"], ["ant", "cat", "dog"], 3, "The folder")
    array([2, 1])
    """
    classes = list(classes)
    numbered = classes == [str(number) for number in range(len(classes))]
    named = names is not None and set(classes) <= set(names)
    if names is None or (numbered and not named):
        # Numbers are as many as the greatest that occurs.
        if len(classes) == count or (numbered and len(classes) < count):
            return np.arange(len(classes))
        raise ValueError(
            f"{what} has {len(classes)} classes, and the network {count} "
            "outputs. Give images of as many classes, or a network whose card "
            "names them (`model.card.class_names`)."
        )
    names = list(names)
    if classes == names:
        return np.arange(count)
    known = [names]
    if names == class_names("imagenet"):
        known.append(wordnet_ids())
    for some in known:
        # A name that two outputs share tells neither.
        if len(set(some)) == len(some) and set(classes) <= set(some):
            return np.array([some.index(name) for name in classes], "int64")
    strange = sorted(set(classes) - set(names))
    raise ValueError(
        f"{what} has classes that the network does not have by that name: "
        f"{_some(strange or classes)} ({len(classes)} classes). The network's "
        f"{count} are {_some(names)}. Name both alike, such as by "
        "`model.card.class_names`."
    )


def _some(names):
    more = ", …" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + more
