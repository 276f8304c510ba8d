"""Parameters and multiply-adds of a functional model."""

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources

import keras

from keras_senet.layers import SqueezeExcite


@dataclass(frozen=True)
class Complexity:
    """What a model costs on one image.

    Attributes:
        parameters: trainable parameters.
        total_parameters: parameters and moving statistics.
        multiply_adds: multiply-adds of the convolutions and matrix products,
            those of the SE blocks included.
        element_sums: sums outside of them that the paper counts as well:
            those of the residual additions and of the SE blocks' global pools.
        se_parameters: trainable parameters of the SE blocks.
        se_multiply_adds: multiply-adds of the SE blocks.
    """

    parameters: int
    total_parameters: int
    multiply_adds: int
    element_sums: int
    se_parameters: int
    se_multiply_adds: int


def complexity(model: keras.Model) -> Complexity:
    """Counts the parameters and multiply-adds of a model.

    Args:
        model: functional model whose image size is fixed.

    Returns:
        A `Complexity`, for a batch of one image.

    Raises:
        ValueError: if the image size is not fixed.

    Example:

    >>> model = keras_senet.ResNet50(weights=None)
    >>> keras_senet.analysis.complexity(model).multiply_adds
    3857973248

    Reference:
        The paper's section 4; it prints multiply-adds and element-wise sums
        added up.
    """
    if any(None in tensor.shape[1:] for tensor in model.inputs):
        raise ValueError(
            f"{model.name} takes images of any size (its input is "
            f"{model.inputs[0].shape}), and its multiply-adds depend on it. "
            "Build it with `input_shape`."
        )
    counts = {layer: layer_multiply_adds(layer) for layer in model.layers}
    blocks = [x for x in model.layers if isinstance(x, SqueezeExcite)]
    sums = sum(_size(x.input) for x in blocks if x.squeeze == "avg")
    sums += sum(
        _size(x.output) for x in model.layers if isinstance(x, keras.layers.Add)
    )
    return Complexity(
        parameters=_count(model.trainable_variables),
        total_parameters=_count(model.weights),
        multiply_adds=sum(counts.values()),
        element_sums=sums,
        se_parameters=sum(_count(x.trainable_variables) for x in blocks),
        se_multiply_adds=sum(counts[x] for x in blocks),
    )


@cache
def table() -> dict[str, dict[str, int]]:
    """Returns the complexity of every network at its default size.

    Returns:
        Name -> column -> number, read from the file that
        `scripts/write_tables.py` wrote.

    Example:

    >>> table()["se_resnet50"]["parameters"]
    28088024
    """
    path = resources.files("keras_senet").joinpath("analysis/complexity.csv")
    rows = csv.DictReader(path.read_text().splitlines())
    return {
        row.pop("network"): {key: int(value) for key, value in row.items()}
        for row in rows
    }


def layer_multiply_adds(layer: keras.layers.Layer) -> int:
    """Returns the multiply-adds of one layer on one image.

    Args:
        layer: a layer of a functional model whose image size is fixed.

    Returns:
        An integer; 0 for a layer without convolution or matrix product.
    """
    if isinstance(layer, SqueezeExcite):
        positions = 1
        if layer.squeeze == "none":
            positions = _size(layer.input) // layer.expand_kernel.shape[-1]
        kernels = (layer.reduce_kernel, layer.expand_kernel)
        return positions * _count(kernels)
    if isinstance(layer, keras.layers.Dense):
        return _count([layer.kernel])
    # DepthwiseConv and Conv have no public common class.
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return _size(layer.output) * math.prod(layer.kernel_size)
    if isinstance(layer, keras.layers.Conv2D):
        # Each output takes one multiply-add per weight of its filter.
        return _size(layer.output) * math.prod(layer.kernel.shape[:-1])
    return 0


def _size(tensor):
    return math.prod(tensor.shape[1:])


def _count(variables):
    return sum(math.prod(variable.shape) for variable in variables)
