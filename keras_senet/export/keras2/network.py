"""A tf_keras model of the data that `keras_senet.export.legacy` made."""

from collections.abc import Callable

import numpy as np
import tf_keras


def build(
    graph: dict,
    arrays: dict[str, np.ndarray],
    wrap: Callable = lambda layer, number: layer,
) -> tuple[tf_keras.Model, list]:
    """Returns the network of a graph.

    Args:
        graph: as `legacy.translate` returns it.
        arrays: the weights, named as there.
        wrap: function of a layer that has its weights, and of the number of its
            step, that returns the layer to take. Defaults to the layer itself.

    Returns:
        A functional tf_keras model, and all values: the inputs, then what each
        step made.
    """
    inputs = [tf_keras.Input(shape) for shape in graph["inputs"]]
    values, made = list(inputs), {}
    for number, step in enumerate(graph["steps"]):
        given = [values[index] for index in step["inputs"]]
        name = step["config"]["name"]
        if name not in made:
            layer = _layer(step, arrays, given)
            made[name] = wrap(layer, number)
        values.append(made[name](given if len(given) > 1 else given[0]))
    outputs = [values[index] for index in graph["outputs"]]
    return tf_keras.Model(inputs, outputs), values


def _layer(step, arrays, given):
    layer = getattr(tf_keras.layers, step["class"])(**step["config"])
    shapes = [tuple(x.shape) for x in given]
    layer.build(shapes if len(shapes) > 1 else shapes[0])
    count = len(layer.weights)
    layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(count)])
    return layer


def arrays_of(model: tf_keras.Model) -> dict[str, np.ndarray]:
    """Returns the weights of a network, named as `build` takes them.

    Args:
        model: the network.

    Returns:
        Arrays by name.
    """
    return {
        f"{layer.name}/{number}": array
        for layer in model.layers
        for number, array in enumerate(layer.get_weights())
    }


def compute_grouped_convolutions_without_xla() -> None:
    """Makes grouped convolutions plain operations, which LiteRT can read.

    tf_keras compiles them with XLA, from when TensorFlow had no kernel for them
    on a CPU.
    """
    tf_keras.layers.Conv2D._jit_compiled_convolution_op = (
        lambda self, inputs, kernel: self.convolution_op(inputs, kernel)
    )
