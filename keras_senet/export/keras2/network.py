"""A tf_keras model of the data that `keras_senet.export.legacy` wrote."""

import numpy as np
import tf_keras


def build(graph: dict, arrays: dict[str, np.ndarray]) -> tf_keras.Model:
    """Returns the network of a graph.

    Args:
        graph: as `legacy.translate` returns it.
        arrays: the weights, named as there.

    Returns:
        A functional tf_keras model.
    """
    inputs = [tf_keras.Input(shape) for shape in graph["inputs"]]
    values, made = list(inputs), {}
    for step in graph["steps"]:
        config = step["config"]
        if config["name"] not in made:
            kind = getattr(tf_keras.layers, step["class"])
            made[config["name"]] = kind(**config)
        given = [values[number] for number in step["inputs"]]
        layer = made[config["name"]]
        values.append(layer(given if len(given) > 1 else given[0]))
    model = tf_keras.Model(inputs, [values[i] for i in graph["outputs"]])
    for layer in model.layers:
        count = len(layer.weights)
        layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(count)])
    return model


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
