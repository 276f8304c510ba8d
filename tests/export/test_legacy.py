"""Every network in Keras 2: the same outputs, computed by tf_keras itself."""

import importlib.util
import re

import keras
import numpy as np
import pytest
from export.keras2_process import keras2
from small import distinct, size_of, slow_but, small

import keras_senet
from keras_senet.architectures.build import build
from keras_senet.export.legacy import (
    ACTIVATIONS,
    TranslationError,
    restore,
    translate,
)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tf_keras") is None,
    reason='needs tf_keras: pip install "keras_senet[qat]"',
)

# One of each family; the others are made by the same lines.
FAST = (
    "se_alexnet",
    "se_bn_inception",
    "se_inception_resnet_v2",
    "se_mobilenet",
    "se_resnet20",
    "se_resnext50",
    "se_shufflenet",
    "se_vgg16",
)


@pytest.fixture(scope="module")
def compute():
    with keras2() as function:
        yield function


@pytest.fixture
def check(compute, tmp_path, rng):
    """Whether tf_keras computes what Keras 3 does, to 1e-5 of the largest."""

    def check(model, scale=255.0):
        # Statistics and biases that are not those of an untrained network.
        for variable in model.weights:
            value = keras.ops.convert_to_numpy(variable)
            if value.ndim == 1:
                noise = rng.uniform(0.1, 0.5, value.shape)
                variable.assign(value * 0.9 + noise)
        shape = (2, *model.input_shape[1:])
        images = rng.uniform(0, scale, shape).astype("float32")
        outputs, arrays = compute(tmp_path, *translate(model), images)
        expected = keras.tree.flatten(model.predict(images, verbose=0))
        for ours, theirs in zip(expected, outputs, strict=True):
            # A network that saturates could not tell anything apart.
            assert np.ptp(ours) > 1e-3 * np.abs(ours).max() > 0
            largest = np.abs(ours).max()
            assert np.abs(ours - theirs).max() <= 1e-5 * largest
        return arrays

    return check


@pytest.mark.parametrize("name", slow_but(FAST, distinct()))
def test_every_network(name, check):
    network = small(name)
    size = size_of(network)
    # Logits, which say more than probabilities.
    check(
        build(
            network,
            input_shape=(size, size, 3),
            classes=5,
            classifier_activation=None,
        )
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"reduction": 4, "excitation": "hard_sigmoid", "se_bias": False},
        {"squeeze": "max", "excitation": "tanh", "output_scale": 2.0},
        {"squeeze": "none", "placement": "3x3", "se_stages": (3,)},
        {"placement": "post", "classes": 3, "classifier_activation": "sigmoid"},
        {"normalization": "signed", "input_shape": (40, 24, 3)},
        {"normalization": ((120.0, 110.0, 100.0), (2.0, 3.0, 4.0))},
        {"include_top": False, "pooling": "max", "input_shape": (32, 32, 1)},
        {"features_only": True, "input_shape": (32, 32, 3)},
    ],
    ids=str,
)
def test_variants(arguments, check):
    check(keras_senet.SEResNet20(weights=None, **arguments))


def test_a_network_that_normalises_outside(check):
    model = keras_senet.SEResNet20(weights=None, include_preprocessing=False)
    check(model, scale=1.0)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation(activation, check):
    """Keras 2 has the same functions: inside a layer, alone and in gates."""
    x = inputs = keras.Input((6, 6, 8))
    x = keras.layers.Conv2D(8, 3, activation=activation, name="a")(x)
    x = keras_senet.SqueezeExcite(
        2, activation=activation, excitation=activation, name="b"
    )(x)
    x = keras.layers.Activation(activation, name="c")(x)
    check(keras.Model(inputs, x), scale=1.0)


def test_a_layer_that_is_used_twice_and_two_outputs(check):
    inputs = keras.Input((8, 8, 3))
    layer = keras.layers.Conv2D(3, 3, padding="same", name="twice")
    gate = keras_senet.SqueezeExcite(1, name="gate")
    x = gate(layer(inputs))
    outputs = [x, gate(layer(x))]
    arrays = check(keras.Model(inputs, outputs))
    assert sum("twice" in name for name in arrays) == 2


def test_the_weights_come_back(compute, tmp_path, rng):
    """Bit-equal, in another model of the network."""
    first, second = (
        build(small("se_resnext50"), input_shape=(32, 32, 3)) for _ in range(2)
    )
    images = rng.uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    _, arrays = compute(tmp_path, *translate(first), images)
    restore(second, arrays)
    for ours, theirs in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def with_layer(layer, shape=(8, 8, 4)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: with_layer(keras.layers.UpSampling2D(name="up")),
            "up is a UpSampling2D",
        ),
        (
            lambda: with_layer(
                keras_senet.SqueezeExcite(
                    2, excitation=lambda x: x * 0.5, name="gate"
                )
            ),
            "gate has the activation",
        ),
        (
            lambda: with_layer(lambda x: x + 1.0),
            "is a Add, which has no form",
        ),
        (
            lambda: keras_senet.SEResNet20(
                weights=None, data_format="channels_first"
            ),
            "data_format='channels_first'",
        ),
        (
            lambda: keras_senet.SEShuffleNet(weights=None, include_top=False),
            "must be known",
        ),
        (
            lambda: with_layer(
                keras.layers.Rescaling([[[1.0], [2.0]]], name="scale")
            ),
            "scale rescales by an array",
        ),
        (
            lambda: keras.Sequential([keras.layers.Dense(2)]),
            "not built",
        ),
    ],
)
def test_what_has_no_form_in_keras_2_is_named(make, words):
    model = make()
    with pytest.raises(ValueError, match=re.escape(words)):
        translate(model)


def test_a_subclass_is_no_layer_of_keras():
    """What it computes is not known."""

    class Twice(keras.layers.ReLU):
        def call(self, x):
            return 2 * super().call(x)

    with pytest.raises(TranslationError, match="twice is a Twice"):
        translate(with_layer(Twice(name="twice")))
