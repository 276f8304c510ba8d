"""What a network of Keras 3 is in Keras 2 (tf_keras): its graph and its arrays.

Both are plain data. `keras2` makes a model of them, in a process of its own, so
that nothing here imports tf_keras.
"""

import keras
import numpy as np
from keras import layers

from keras_senet.cloning import functional
from keras_senet.layers import (
    BatchNormalization,
    ChannelShuffle,
    GroupedConv2D,
    SqueezeExcite,
)

_POOL = ("pool_size", "strides", "padding")
_NORM = ("axis", "momentum", "epsilon", "center", "scale")
# Layers that both have, and what of their configuration decides the outputs.
# The data format is in none but the padding, which a shortcut of zeros reads in
# the other one to pad channels.
SAME = {
    layers.Add: (),
    layers.AveragePooling2D: _POOL,
    layers.BatchNormalization: _NORM,
    BatchNormalization: _NORM,
    layers.Concatenate: ("axis",),
    layers.Dropout: ("rate",),
    layers.Flatten: (),
    layers.GlobalAveragePooling2D: ("keepdims",),
    layers.GlobalMaxPooling2D: ("keepdims",),
    layers.MaxPooling2D: _POOL,
    layers.Multiply: (),
    layers.ReLU: ("max_value", "negative_slope", "threshold"),
    layers.Reshape: ("target_shape",),
    layers.ZeroPadding2D: ("padding", "data_format"),
}
_CONV = ("kernel_size", "strides", "padding", "dilation_rate", "use_bias")
# The same for layers that end in an activation.
ACTIVATED = {
    layers.Conv2D: ("filters", "groups", *_CONV),
    GroupedConv2D: ("filters", "groups", *_CONV),
    layers.Dense: ("units", "use_bias"),
    layers.DepthwiseConv2D: ("depth_multiplier", *_CONV),
}
# Activations by Keras 3's names, as layers of Keras 2.
ACTIVATIONS = {
    "linear": (),
    "relu": (("ReLU", {}),),
    "relu6": (("ReLU", {"max_value": 6.0}),),
    # Keras 2 has another one: 0.2 x + 0.5. In this form all but the last is
    # fused with a convolution before it.
    "hard_sigmoid": (
        ("Rescaling", {"scale": 1.0, "offset": 3.0}),
        ("ReLU", {"max_value": 6.0}),
        ("Rescaling", {"scale": 1 / 6}),
    ),
    "silu": (("Activation", {"activation": "swish"}),),
    **{
        name: (("Activation", {"activation": name}),)
        for name in (
            "elu",
            "gelu",
            "mish",
            "selu",
            "sigmoid",
            "softmax",
            "softplus",
            "softsign",
            "tanh",
        )
    },
}
# Those that are kept inside of a layer, where they are fused with it.
_INSIDE = ("linear", "relu")
_POOLS = {"avg": "GlobalAveragePooling2D", "max": "GlobalMaxPooling2D"}


class TranslationError(ValueError):
    """A model that has no form in Keras 2."""


def translate(model: keras.Model) -> tuple[dict, dict[str, np.ndarray]]:
    """Returns a network as data of which Keras 2 makes the same network.

    A `SqueezeExcite` becomes a global pool, 1x1 convolutions, activations and a
    product, which can each be quantised, pruned or clustered; a normalisation
    per channel becomes a depthwise 1x1 convolution, which rounds once where a
    product and a sum would round twice in 8 bits.

    Args:
        model: a functional model, built with `data_format="channels_last"`.

    Returns:
        The graph and the arrays. The graph is what JSON has: `inputs` (shapes
        without the batch), `steps` (a layer's `class`, its `config`, and the
        numbers of the values that it takes, where inputs are numbered first and
        every step makes the next value) and `outputs` (numbers of values). The
        arrays are named `LAYER/NUMBER`, in the order of the weights of a layer
        of Keras 2.

    Raises:
        TranslationError: if a layer has no form in Keras 2; it is named.

    Example:

    >>> model = keras_senet.SEResNet20(weights=None)
    >>> graph, arrays = translate(model)
    >>> graph["steps"][1]["class"], arrays["conv1_conv/0"].shape
    ('Conv2D', (3, 3, 3, 16))
    """
    model = functional(model)
    _check(model)
    inputs = keras.tree.flatten(model.inputs)
    steps, arrays = [], _arrays(model)
    values = {id(x): number for number, x in enumerate(inputs)}

    def add(kind, name, *inputs_of_step, **config):
        step = {"class": kind, "config": {"name": name, **config}}
        steps.append({**step, "inputs": inputs_of_step})
        return len(inputs) + len(steps) - 1

    for layer, taken, given in _calls(model):
        if layer is None:
            values[id(given)] = values[id(taken[0])]
            continue
        numbers = [values[id(x)] for x in taken]
        values[id(given)] = _steps(layer, add, numbers)
        if _is_per_channel(layer):
            arrays |= _normalization(layer, taken[0].shape)
    graph = {
        "inputs": [x.shape[1:] for x in inputs],
        "steps": steps,
        "outputs": [values[id(x)] for x in keras.tree.flatten(model.outputs)],
    }
    return graph, arrays


def restore(model: keras.Model, arrays: dict[str, np.ndarray]) -> None:
    """Gives a network the weights of its form in Keras 2.

    Args:
        model: the model that was translated, or a copy; it is changed.
        arrays: named as those of `translate`.

    Example:

    >>> model = keras_senet.SEResNet20(weights=None)
    >>> graph, arrays = translate(model)
    >>> restore(model, arrays)
    """
    for layer in _layers(model):
        for name, variables in _variables(layer).items():
            for number, variable in enumerate(variables):
                variable.assign(arrays[f"{name}/{number}"])


def _calls(model):
    """Yields what a graph calls, in order: layer, its inputs and its output.

    A model inside of another is its layers; where one goes into the other a
    tensor has two names, and the layer is `None`.
    """
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            layer, taken = node.operation, node.input_tensors
            if isinstance(layer, keras.Function):
                for outer, inner in zip(taken, layer.inputs, strict=True):
                    yield None, [outer], inner
                yield from _calls(layer)
                for inner, outer in zip(
                    layer.outputs, node.output_tensors, strict=True
                ):
                    yield None, [inner], outer
            elif not isinstance(layer, layers.InputLayer):
                yield layer, taken, node.output_tensors[0]


def _layers(model):
    """The layers of a model and of those inside of it."""
    found = model._flatten_layers(include_self=False)
    return [layer for layer in found if not isinstance(layer, keras.Function)]


def _arrays(model):
    return {
        f"{name}/{number}": keras.ops.convert_to_numpy(variable).astype(
            "float32"
        )
        for layer in _layers(model)
        for name, variables in _variables(layer).items()
        for number, variable in enumerate(variables)
    }


def _variables(layer):
    """A layer's variables, by the layer of Keras 2 that has them."""
    if not isinstance(layer, SqueezeExcite):
        return {layer.name: layer.weights}
    return {
        f"{layer.name}_{part}": [
            getattr(layer, f"{part}_{kind}")
            for kind in ("kernel", "bias")[: 1 + layer.use_bias]
        ]
        for part in ("reduce", "expand")
    }


def _check(model):
    """Raises an error for a layer without a form in Keras 2."""
    known = (*SAME, *ACTIVATED, *_OTHERS)
    for layer, _, _ in _calls(model):
        if layer is None:
            continue
        if type(layer) not in known:
            names = sorted({kind.__name__ for kind in known})
            raise TranslationError(
                f"{layer.name} is a {type(layer).__name__}, which has no form "
                f"in Keras 2. Allowed: {', '.join(names)}. Build the network "
                "from these."
            )
        data_format = getattr(layer, "data_format", "channels_last")
        padding = isinstance(layer, layers.ZeroPadding2D)
        if data_format != "channels_last" and not padding:
            raise TranslationError(
                f"{layer.name} has data_format={data_format!r}, which Keras 2 "
                "does not compute on a CPU. Build the network with "
                "data_format='channels_last' and give it the same weights."
            )


def _steps(layer, add, inputs):
    """Adds what a layer does; returns the number of its output."""
    kind, config = type(layer), layer.get_config()
    if kind in SAME:
        own = {key: config[key] for key in SAME[kind]}
        return add(kind.__name__, layer.name, *inputs, **own)
    if kind in ACTIVATED:
        own = {key: config[key] for key in ACTIVATED[kind]}
        return _activated(layer, add, inputs, kind.__name__, own)
    return _OTHERS[kind](layer, add, inputs)


def _activated(layer, add, inputs, kind, config):
    name = _activation_of(layer, layer.activation)
    if name in _INSIDE:
        return add(kind, layer.name, *inputs, activation=name, **config)
    x = add(kind, layer.name, *inputs, **config)
    return _activate(add, x, name, layer.name)


def _activation(layer, add, inputs):
    name = _activation_of(layer, layer.activation)
    # A layer without effect is still a value.
    if name == "linear":
        return add("Activation", layer.name, *inputs, activation="linear")
    return _activate(add, inputs[0], name, layer.name)


def _activation_of(layer, function):
    name = keras.activations.serialize(function)
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise TranslationError(
            f"{layer.name} has the activation {function!r}, which has no form "
            f"in Keras 2. Allowed: {', '.join(sorted(ACTIVATIONS))}."
        )
    return name


def _activate(add, x, activation, prefix):
    for number, (kind, config) in enumerate(ACTIVATIONS[activation], start=1):
        x = add(kind, f"{prefix}_{activation}_{number}", x, **config)
    return x


def _squeeze_excite(layer, add, inputs):
    (x,) = inputs
    name = layer.name
    gates = x
    if layer.squeeze != "none":
        pool = _POOLS[layer.squeeze]
        gates = add(pool, f"{name}_squeeze", x, keepdims=True)
    for part, function in (
        ("reduce", layer.activation),
        ("expand", layer.excitation),
    ):
        activation = _activation_of(layer, function)
        gates = add(
            "Conv2D",
            f"{name}_{part}",
            gates,
            filters=getattr(layer, f"{part}_kernel").shape[-1],
            kernel_size=1,
            use_bias=layer.use_bias,
            activation=activation if activation in _INSIDE else "linear",
        )
        if activation not in _INSIDE:
            gates = _activate(add, gates, activation, f"{name}_{part}")
    if layer.output_scale != 1.0:
        gates = add(
            "Rescaling", f"{name}_scale", gates, scale=layer.output_scale
        )
    return add("Multiply", f"{name}_excite", x, gates)


def _shuffle(layer, add, inputs):
    shape = layer.output.shape[1:]
    if None in shape:
        raise TranslationError(
            f"{layer.name} has maps of shape {shape}, whose size must be known "
            "in Keras 2. Build the network with an `input_shape`."
        )
    *size, channels = shape
    width = channels // layer.groups
    # Height and width in one, so that a transposition has four axes.
    dealt = (int(np.prod(size)), layer.groups, width)
    x = add("Reshape", f"{layer.name}_split", *inputs, target_shape=dealt)
    x = add("Permute", f"{layer.name}_deal", x, dims=(1, 3, 2))
    return add("Reshape", f"{layer.name}_join", x, target_shape=shape)


def _rescaling(layer, add, inputs):
    if not _is_per_channel(layer):
        return add(
            "Rescaling",
            layer.name,
            *inputs,
            scale=float(layer.scale),
            offset=float(layer.offset),
        )
    return add(
        "DepthwiseConv2D",
        layer.name,
        *inputs,
        kernel_size=1,
        trainable=False,
    )


def _softmax(layer, add, inputs):
    return add("Activation", layer.name, *inputs, activation="softmax")


def _is_per_channel(layer):
    return isinstance(layer, layers.Rescaling) and (
        np.ndim(layer.scale) > 0 or np.ndim(layer.offset) > 0
    )


def _normalization(layer, shape):
    """The kernel and the bias that a rescaling per channel is."""
    numbers = []
    for part in (layer.scale, layer.offset):
        part = np.asarray(part, "float32")
        if part.size not in (1, part.shape[-1] if part.ndim else 1):
            raise TranslationError(
                f"{layer.name} rescales by an array of shape {part.shape}. "
                "Allowed: a number, or one per channel, on the last axis."
            )
        numbers.append(np.broadcast_to(part.ravel(), shape[-1:]))
    kernel, bias = numbers
    return {
        f"{layer.name}/0": kernel.reshape(1, 1, -1, 1),
        f"{layer.name}/1": bias,
    }


# Layers that Keras 2 has under another form.
_OTHERS = {
    layers.Activation: _activation,
    layers.Rescaling: _rescaling,
    layers.Softmax: _softmax,
    ChannelShuffle: _shuffle,
    SqueezeExcite: _squeeze_excite,
}
