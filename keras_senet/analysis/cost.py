"""Parameters, multiply-adds and activations of any functional model."""

import csv
import math
import re
import warnings
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources

import keras
import numpy as np
from keras import layers

from keras_senet.analysis.graph import Call, Trace, trace
from keras_senet.layers import SqueezeExcite

# The word that the names of a stage's layers begin with: conv2, block17,
# inception_4, mixed_5b, …
STAGE = re.compile(r"inception_\d|mixed_\w\w|conv_7b|[a-z]+\d*")
HEAD = ("post", "avg", "flatten", "fc1", "fc2", "predictions")
HEAD = (*HEAD, "dropout", "dropout1", "dropout2")
# Their weights are no matrices that maps are multiplied by.
NO_PRODUCT = (layers.Embedding, layers.PReLU)
# Operations, and layers without weights, that multiply maps by each other.
PRODUCTS = ("Matmul", "Dot", "Tensordot", "Vdot", "Inner", "Outer", "Einsum")
PRODUCTS += ("Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose")
PRODUCTS += ("Attention", "DotProductAttention")


@dataclass(frozen=True)
class Complexity:
    """What a model costs on one image.

    Attributes:
        parameters: what training changes, in frozen layers too.
        total_parameters: parameters and moving statistics.
        multiply_adds: multiply-adds of the convolutions and matrix products,
            those of the SE blocks included.
        element_sums: sums outside of them that the paper counts as well:
            those of the residual additions and of the SE blocks' global pools.
        se_parameters: those of the SE blocks.
        se_multiply_adds: multiply-adds of the SE blocks.
        equation_5: the paper's Eq. 5 for them, 2/r times the sum of C²: their
            weights, without biases and without rounding C/r down.
        activations: numbers that the layers put out. A training step that
            recomputes and fuses nothing keeps them for the gradients.
        activation_bytes: the memory that they take.
        peak_bytes: the most memory that activations take at once in inference,
            if the layers run one by one and none works in place.

    Example:

    >>> counts = complexity(keras_senet.SEResNet20(weights=None))
    >>> counts.parameters - counts.se_parameters
    269722

    Reference:
        The paper's section 4.
    """

    parameters: int
    total_parameters: int
    multiply_adds: int
    element_sums: int
    se_parameters: int
    se_multiply_adds: int
    equation_5: int
    activations: int
    activation_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs on one image.

    Attributes:
        name: its name, behind that of the model it is nested in.
        kind: its class.
        stage: the word that the names of its stage begin with, or `"head"`;
            behind the name of the model it is nested in.
        output: the shape of its (first) output, without the batch.
        parameters: as of `Complexity`; of a layer that is called twice they
            count in the first call.
        se_parameters: the same of an SE block, 0 of another layer.
        equation_5: Eq. 5 of an SE block, as in `Complexity`.
        multiply_adds: as in `Complexity`.
        se_multiply_adds: the same of an SE block, 0 of another layer.
        element_sums: as in `Complexity`.
        activations: numbers that it puts out.

    Example:

    >>> rows = layer_costs(keras_senet.SEResNet20(weights=None))
    >>> [first] = [row for row in rows if row.name == "conv1_conv"]
    >>> first.output, first.parameters, first.multiply_adds
    ((32, 32, 16), 432, 442368)

    Reference:
        The paper's section 4.
    """

    name: str
    kind: str
    stage: str
    output: tuple[int, ...]
    parameters: int
    se_parameters: int
    equation_5: int
    multiply_adds: int
    se_multiply_adds: int
    element_sums: int
    activations: int


def complexity(model: keras.Model) -> Complexity:
    """Counts the parameters, multiply-adds and activations of a model.

    Args:
        model: functional model or built `keras.Sequential` whose image size is
            fixed; its layers need not be this package's. Of layers that it
            does not know, and of operations such as `keras.ops.matmul`, no
            multiply-adds are counted, and a warning says so.

    Returns:
        A `Complexity`, for a batch of one image.

    Raises:
        ValueError: if the image size is not fixed, or the model is not
            functional.

    Example:

    >>> model = keras_senet.ResNet50(weights=None)
    >>> keras_senet.analysis.complexity(model).multiply_adds
    3857973248

    Reference:
        The paper's section 4; it prints multiply-adds and element-wise sums
        added up.
    """
    traced = trace(model)
    rows = _layer_costs(traced.calls)
    return Complexity(
        parameters=count(learned(model)),
        total_parameters=count(model.weights),
        multiply_adds=sum(row.multiply_adds for row in rows),
        element_sums=sum(row.element_sums for row in rows),
        se_parameters=sum(row.se_parameters for row in rows),
        se_multiply_adds=sum(row.se_multiply_adds for row in rows),
        equation_5=sum(row.equation_5 for row in rows),
        activations=sum(row.activations for row in rows),
        activation_bytes=sum(_bytes(call.outputs) for call in traced.calls),
        peak_bytes=_peak_bytes(traced),
    )


def layer_costs(model: keras.Model) -> list[LayerCost]:
    """Counts what every layer of a model costs.

    Args:
        model: as `complexity` takes it.

    Returns:
        A row per call of a layer, in the order of the computation; their sums
        are the numbers of `complexity`.

    Raises:
        ValueError: as `complexity`.

    Example:

    >>> rows = layer_costs(keras_senet.SEResNet20(weights=None))
    >>> block = next(row for row in rows if row.name == "conv4_block3_se")
    >>> block.stage, block.output, block.se_parameters, block.activations
    ('conv4', (8, 8, 64), 580, 4096)

    Reference:
        The paper's section 4.
    """
    return _layer_costs(trace(model).calls)


def stage_costs(rows: list[LayerCost]) -> list[dict]:
    """Sums the layers of every stage.

    Args:
        rows: what `layer_costs` returned.

    Returns:
        A dictionary per stage, in the order of the computation: `"stage"`,
        `"output"` (shape of its last output) and the sums of the counts.

    Example:

    >>> stages = stage_costs(layer_costs(keras_senet.ResNet20(weights=None)))
    >>> [row["stage"] for row in stages]
    ['normalization', 'conv1', 'conv2', 'conv3', 'conv4', 'head']

    Reference:
        The paper's section 4, which sums Eq. 5 over the stages.
    """
    # What follows the output are counts.
    names = [field.name for field in fields(LayerCost)]
    counts = names[names.index("output") + 1 :]
    stages = {}
    for row in rows:
        stage = stages.setdefault(row.stage, dict.fromkeys(counts, 0))
        stage["output"] = list(row.output)
        for key in counts:
            stage[key] += getattr(row, key)
    return [{"stage": name, **stage} for name, stage in stages.items()]


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


def _layer_costs(calls):
    rows, seen = [], set()
    for call in calls:
        layer = call.operation
        new = id(layer) not in seen and isinstance(layer, layers.Layer)
        seen.add(id(layer))
        parameters = count(learned(layer)) if new else 0
        multiply_adds = _multiply_adds(call)
        block = isinstance(layer, SqueezeExcite)
        rows.append(
            LayerCost(
                name=call.name,
                kind=type(layer).__name__,
                stage=stage_of(call.name),
                output=tuple(call.outputs[0].shape[1:]),
                parameters=parameters,
                se_parameters=block * parameters,
                equation_5=_equation_5(layer) if block and new else 0,
                multiply_adds=multiply_adds,
                se_multiply_adds=block * multiply_adds,
                element_sums=_element_sums(call),
                activations=sum(map(_size, call.outputs)),
            )
        )
    return rows


def stage_of(name: str) -> str:
    """Returns the stage that a layer belongs to, by its name.

    Args:
        name: name of a layer, behind that of the model it is nested in.

    Returns:
        The word that the names of the stage's layers begin with, such as
        `"conv2"`; `"head"`; or the name itself if it begins otherwise. Of a
        nested model behind its name: `"body/conv2"`.
    """
    model, nested, name = name.rpartition("/")
    found = STAGE.match(name)
    word = found.group() if found else name
    return model + nested + ("head" if word in HEAD else word)


def _multiply_adds(call: Call) -> int:
    """Each output takes one multiply-add per weight of its filter."""
    layer, outputs = call.operation, _size(call.outputs[0])
    match layer:
        case SqueezeExcite():
            positions = 1
            if layer.squeeze == "none":
                positions = outputs // layer.expand_kernel.shape[-1]
            return positions * count([layer.reduce_kernel, layer.expand_kernel])
        case layers.Dense():
            return outputs * layer.kernel.shape[0]
        # Keras has no public common class of one, two and three dimensions.
        case layers.DepthwiseConv1D() | layers.DepthwiseConv2D():
            return outputs * math.prod(layer.kernel_size)
        case layers.Conv1D() | layers.Conv2D() | layers.Conv3D():
            return outputs * math.prod(layer.kernel.shape[:-1])
        case layers.SeparableConv1D() | layers.SeparableConv2D():
            between = math.prod(layer.pointwise_kernel.shape[:-1])
            pixels = outputs // layer.filters
            return between * (outputs + pixels * math.prod(layer.kernel_size))
        case (
            layers.Conv1DTranspose()
            | layers.Conv2DTranspose()
            | layers.Conv3DTranspose()
        ):
            # Each input is multiplied by its filter.
            return _size(call.inputs[0]) * math.prod(layer.kernel.shape[:-1])
    kind = type(layer).__name__
    weights = learned(layer) if isinstance(layer, layers.Layer) else ()
    matrices = any(len(v.shape) > 1 for v in weights)
    if kind in PRODUCTS or (matrices and not isinstance(layer, NO_PRODUCT)):
        warnings.warn(
            f"The multiply-adds of {call.name} ({kind}) are not counted: only "
            "those of dense layers, convolutions and SqueezeExcite are known.",
            stacklevel=2,
        )
    return 0


def _element_sums(call):
    layer = call.operation
    if isinstance(layer, SqueezeExcite) and layer.squeeze == "avg":
        return _size(call.inputs[0])
    # The layer and the operation `+` have this name.
    if type(layer).__name__ == "Add":
        return (len(call.inputs) - 1) * _size(call.outputs[0])
    return 0


def _equation_5(block):
    *_, channels, hidden = block.reduce_kernel.shape
    reduction = channels / hidden if block.hidden else block.reduction
    return round(2 * channels**2 / reduction)


def _peak_bytes(traced: Trace):
    last_use = {
        id(x): step
        for step, call in enumerate(traced.calls)
        for x in call.inputs
    }
    # Whoever called the model takes them, whatever layers do.
    last_use |= {id(x): len(traced.calls) for x in traced.outputs}
    alive = {id(x): _bytes([x]) for x in traced.inputs}
    peak = 0
    for step, call in enumerate(traced.calls):
        alive |= {id(x): _bytes([x]) for x in call.outputs}
        peak = max(peak, sum(alive.values()))
        alive = {
            x: size for x, size in alive.items() if last_use.get(x, -1) > step
        }
    return peak


def _bytes(tensors):
    # Not of numpy alone: ml_dtypes adds bfloat16 to it.
    return sum(
        _size(x) * np.dtype(keras.backend.standardize_dtype(x.dtype)).itemsize
        for x in tensors
    )


def _size(tensor):
    return math.prod(tensor.shape[1:])


def learned(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the variables that training changes, those of frozen layers too.

    Args:
        layer: a built layer or model.

    Returns:
        List of variables: all weights but moving statistics and the like.
    """
    # `trainable_variables` leaves out what is frozen, as a body is before it
    # is fine-tuned; that costs as much as before.
    found = {
        id(variable): variable
        for each in layer._flatten_layers()
        for variable in each._trainable_variables
    }
    return list(found.values())


def count(variables) -> int:
    """Returns the number of parameters in some variables.

    Args:
        variables: an iterable of them.

    Returns:
        An integer.
    """
    return sum(math.prod(variable.shape) for variable in variables)
