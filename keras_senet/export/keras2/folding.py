"""Batch normalisation and scales folded into convolutions, as data."""

import copy
from collections import Counter

import numpy as np

FOLDABLE = ("Conv2D", "DepthwiseConv2D", "Dense")


def fold(
    graph: dict, arrays: dict[str, np.ndarray], channels: list[int]
) -> tuple[dict, dict[str, np.ndarray]]:
    """Returns the network without layers that only scale and shift channels.

    What 8 bits shall compute is trained as it will be: a normalisation belongs
    to the convolution before it. One that has none becomes a depthwise 1x1
    convolution, which rounds once.

    Args:
        graph: as `legacy.translate` returns it.
        arrays: the weights, named as there.
        channels: the size of the last axis of every value.

    Returns:
        A graph and arrays of the same form.
    """
    graph, arrays = copy.deepcopy(graph), dict(arrays)
    first = len(graph["inputs"])
    uses = _uses(graph)
    names = Counter(step["config"]["name"] for step in graph["steps"])
    steps, places = [], list(range(first))
    for number, step in enumerate(graph["steps"], start=first):
        source = step["inputs"][0]
        step["inputs"] = [places[index] for index in step["inputs"]]
        if step["class"] in AFFINE:
            affine = AFFINE[step["class"]](step["config"], arrays)
            affine = [
                np.broadcast_to(part, channels[number]) for part in affine
            ]
            before = steps[places[source] - first] if source >= first else None
            if (
                before is not None
                and uses[source] == 1
                and before["class"] in FOLDABLE
                and before["config"].get("activation", "linear") == "linear"
                and names[before["config"]["name"]] == 1
            ):
                _fold_into(before, arrays, *affine)
                places.append(places[source])
                continue
            step = _depthwise(step, arrays, *affine)
        steps.append(step)
        places.append(first + len(steps) - 1)
    outputs = [places[index] for index in graph["outputs"]]
    return {**graph, "steps": steps, "outputs": outputs}, arrays


def _uses(graph):
    """How many steps and outputs take each value."""
    return Counter(
        index
        for indices in (
            *(step["inputs"] for step in graph["steps"]),
            graph["outputs"],
        )
        for index in indices
    )


def _normalization(config, arrays):
    """The scale and the shift of a trained batch normalisation."""
    count = 2 + config["center"] + config["scale"]
    own = [
        arrays[f"{config['name']}/{i}"].astype("float64") for i in range(count)
    ]
    mean, variance = own[-2:]
    scale = 1.0 / np.sqrt(variance + config["epsilon"])
    if config["scale"]:
        scale = scale * own[0]
    shift = own[config["scale"]] if config["center"] else 0.0
    return scale, shift - mean * scale


def _rescaling(config, arrays):
    return config["scale"], config.get("offset", 0.0)


AFFINE = {"BatchNormalization": _normalization, "Rescaling": _rescaling}


def _fold_into(step, arrays, scale, shift):
    config = step["config"]
    kernel, bias = f"{config['name']}/0", f"{config['name']}/1"
    own = scale
    if step["class"] == "DepthwiseConv2D":
        own = scale.reshape(arrays[kernel].shape[2:])
    if config["use_bias"]:
        shift = arrays[bias] * scale + shift
    arrays[kernel] = (arrays[kernel] * own).astype("float32")
    arrays[bias] = np.asarray(shift, "float32")
    config["use_bias"] = True


def _depthwise(step, arrays, scale, shift):
    name = f"{step['config']['name']}_affine"
    arrays[f"{name}/0"] = scale.reshape(1, 1, -1, 1).astype("float32")
    arrays[f"{name}/1"] = shift.astype("float32")
    config = {"name": name, "kernel_size": 1, "use_bias": True}
    return {**step, "class": "DepthwiseConv2D", "config": config}
