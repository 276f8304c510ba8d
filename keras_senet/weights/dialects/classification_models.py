"""The HDF5 files of qubvel/classification_models, `models/senet.py`.

Their layers have automatic names (`conv2d_57`), which count on from wherever
the session stood that saved them; and a grouped convolution is one layer per
group. So the numbers of a kind of layer, in rising order, are its layers in the
order in which that file creates them.
"""

import numpy as np

from keras_senet.weights.dialects.arrays import unknown_key
from keras_senet.weights.dialects.automatic import number_of

KINDS = ("conv2d", "batch_normalization", "dense")


def classification_models(
    arrays: dict[str, np.ndarray], network
) -> dict[str, np.ndarray]:
    """Translates the weights of an SE network of classification_models.

    Args:
        arrays: `layer/variable` -> array, as in the file.
        network: the `Network` it is for.

    Returns:
        `layer/variable` -> array.

    Raises:
        ValueError: if the file has other layers than the network.
    """
    if network.family != "resnet" or network.block != "bottleneck":
        raise ValueError(f"classification_models has no {network.title}.")
    layers = {kind: {} for kind in KINDS}
    for key, array in arrays.items():
        layer, variable = key.split("/")
        for kind in KINDS:
            number = number_of(layer, kind)
            if number is not None:
                layers[kind].setdefault(number, {})[variable] = array
                break
        else:
            raise unknown_key(key, network, "classification_models")
    convolutions, normalisations = created(network)
    translated = {}
    _fill(translated, layers["conv2d"], convolutions, network)
    _fill(
        translated,
        layers["batch_normalization"],
        [(name, 1) for name in normalisations],
        network,
    )
    if layers["dense"]:
        _fill(translated, layers["dense"], [("predictions", 1)], network)
    return translated


def created(network) -> tuple[list[tuple[str, int]], list[str]]:
    """Returns the layers in the order in which `models/senet.py` creates them.

    The projection comes after the branch, the excitation after the projection.

    Args:
        network: the `Network`.

    Returns:
        Names and groups of the convolutions, and names of the normalisations.
    """
    stem = ["conv1"]
    if network.stem == "deep":
        stem = ["conv1_1", "conv1_2", "conv1_3"]
    convolutions = [(f"{name}_conv", 1) for name in stem]
    normalisations = [f"{name}_bn" for name in stem]
    for stage, depth in zip(network.stages, network.depths, strict=True):
        for index in range(1, depth + 1):
            block = f"conv{stage}_block{index}"
            numbers = (1, 2, 3, 0) if index == 1 else (1, 2, 3)
            for number in numbers:
                groups = network.cardinality if number == 2 else 1
                convolutions.append((f"{block}_{number}_conv", groups))
                normalisations.append(f"{block}_{number}_bn")
            if network.se:
                convolutions.append((f"{block}_se/reduce", 1))
                convolutions.append((f"{block}_se/expand", 1))
    return convolutions, normalisations


def _fill(translated, numbered, created, network):
    """Gives the created layers the arrays of the numbers in rising order."""
    saved = [numbered[number] for number in sorted(numbered)]
    expected = sum(groups for _, groups in created)
    if len(saved) != expected:
        raise ValueError(
            f"The file has {len(saved)} layers where {network.title} of "
            f"classification_models has {expected} (such as "
            f"{created[0][0]}). Is it of another network? Nothing was loaded."
        )
    saved = iter(saved)
    for name, groups in created:
        parts = [next(saved) for _ in range(groups)]
        for variable in parts[0]:
            pieces = [part.get(variable) for part in parts]
            if any(piece is None for piece in pieces):
                raise ValueError(
                    f"The file has a {variable} for some groups of {name} "
                    "alone. Nothing was loaded."
                )
            separator = "_" if "se/" in name else "/"
            # A group's kernel has its own outputs, on the last axis.
            translated[f"{name}{separator}{variable}"] = (
                pieces[0] if groups == 1 else np.concatenate(pieces, axis=-1)
            )
