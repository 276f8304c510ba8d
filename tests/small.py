"""Small networks of every kind, for what does not depend on size."""

import contextlib
import dataclasses

import keras
import numpy as np
import pytest

import keras_senet
from keras_senet import applications
from keras_senet.architectures.table import NETWORKS
from keras_senet.constructors import constructor_of


def shrink(network):
    """The same kinds of layers as a network's, fewer and narrower."""
    changes = {"depths": tuple(min(depth, 2) for depth in network.depths)}
    if network.family == "resnet" and network.dataset == "imagenet":
        changes["widths"] = (64, 64, 128, 256)
        if network.cardinality > 1:
            changes |= {"cardinality": 2, "base_width": 16}
    elif network.family == "resnet":
        changes["widths"] = (16, 32, 64)
    elif network.family == "vgg":
        changes["widths"] = (8, 16, 16, 32, 32)
    elif network.family == "alexnet":
        changes["widths"] = (16, 16, 32, 32, 32)
    elif network.family == "mobilenet":
        changes = {"alpha": 0.25}
    elif network.family == "inception_resnet":
        changes["depths"] = (1, 1, 1)
    elif network.family == "inception":
        changes = {}
    return dataclasses.replace(network, **changes)


def distinct():
    """The names of networks whose small form is not that of one before."""
    found = {}
    for name, network in NETWORKS.items():
        form = dataclasses.replace(shrink(network), name="", title="")
        found.setdefault(repr(form), name)
    return list(found.values())


# A few to show that nothing is badly broken.
FAST = ("se_resnet20", "se_resnet50", "se_mobilenet", "shufflenet")
# One network per kind of graph, SE and plain.
KINDS = [
    "se_resnet18",
    "se_resnet50",
    "se_resnext50",
    "senet154",
    "se_inception_resnet_v2",
    "se_bn_inception",
    "se_vgg16",
    "se_alexnet",
    "se_mobilenet",
    "se_shufflenet",
    "se_resnet20",
    "se_resnet164",
    "se_wide_resnet16x8",
    "resnet50",
    "resnet20",
    "shufflenet",
]


def small(name):
    """The small form of a network of the registry."""
    return shrink(NETWORKS[name])


def shallow(network):
    """The same with one block a stage, and four modules at most."""
    return dataclasses.replace(
        network,
        depths=(1,) * len(network.depths),
        modules=network.modules[:4],
    )


@contextlib.contextmanager
def made_shallow(name):
    """The registry has the shallow form of a network, traced sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, name, shallow(NETWORKS[name]))
        function = applications.CONSTRUCTORS[name].__name__
        constructor = constructor_of(function, name)
        patch.setitem(applications.CONSTRUCTORS, name, constructor)
        patch.setattr(keras_senet, function, constructor)
        yield


def slow_but(fast, names):
    """The names as a test's parameters, of which all but a few are slow."""
    return [
        pytest.param(name, marks=[] if name in fast else pytest.mark.slow)
        for name in names
    ]


def size_of(network):
    """An image size it accepts, small."""
    return max(network.min_size, 32)


def coarse(rng, count, size):
    """Images of 4 x 4 fields of colour, uint8."""
    side = -(-size // 4)
    fields = rng.integers(0, 256, (count, 4, 4, 3)).astype("uint8")
    return fields.repeat(side, 1).repeat(side, 2)[:, :size, :size]


def tell_apart(model, images):
    """Makes a random classifier one that answers otherwise to each image."""
    # Statistics of these images, as if it were trained on them.
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
    for _ in range(6):
        model(images.astype("float32"), training=True)
    # Answers that differ from image to image by far more than a step of 8 bits.
    logits = np.log(model.predict(images.astype("float32"), verbose=0))
    logits -= logits.mean(1, keepdims=True)
    mean = logits.mean(0)
    factor = 2 / (logits - mean).std()
    last = model.get_layer("predictions")
    last.kernel.assign(last.kernel * factor)
    last.bias.assign(-mean * factor)


def pictures(rng, count, size):
    """Fields of colour, coarse and fine, which networks tell apart."""
    made = []
    for number in range(count):
        fields = 2 ** (1 + number % 4)
        x = rng.uniform(0, 255, (fields, fields, 3))
        side = -(-size // fields)
        x = x.repeat(side, 0).repeat(side, 1)
        made.append(x[:size, :size])
    return np.array(made, "float32")


def run_litert(content, images):
    """A file's outputs for images, by the scales it names, and what ran it."""
    # Not all who need small networks have it.
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    [taken] = interpreter.get_input_details()
    [given] = interpreter.get_output_details()
    rows = []
    for image in images:
        interpreter.set_tensor(
            taken["index"], image[None].astype(taken["dtype"])
        )
        interpreter.invoke()
        row = interpreter.get_tensor(given["index"])[0].astype("float32")
        scale, zero = given["quantization"]
        rows.append((row - zero) * scale if scale else row)
    return np.array(rows), interpreter
