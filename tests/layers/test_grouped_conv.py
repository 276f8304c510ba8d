"""The grouped convolution against Keras' own, gradients too."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_senet.layers import GroupedConv2D
from keras_senet.layers.grouped_conv import one_operator

TENSORFLOW = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="on other backends the gradient is Keras' own",
)


def pair(shape, **arguments):
    """Ours and Keras', with the same weights."""
    ours, theirs = GroupedConv2D(**arguments), keras.layers.Conv2D(**arguments)
    for layer in (ours, theirs):
        layer.build(shape)
    theirs.set_weights(ours.get_weights())
    return ours, theirs


def by_hand(x, kernel, groups):
    """Every group as a convolution of its own, in plain numpy ("valid")."""
    height, width, per_group, filters = kernel.shape
    outputs = []
    for group in range(groups):
        part = x[..., group * per_group : (group + 1) * per_group]
        own = filters // groups
        weights = kernel[..., group * own : (group + 1) * own]
        windows = np.lib.stride_tricks.sliding_window_view(
            part, (height, width), axis=(1, 2)
        )
        outputs.append(np.einsum("bhwcij,ijco->bhwo", windows, weights))
    return np.concatenate(outputs, axis=-1)


def test_it_is_a_convolution_per_group(rng):
    ours, _ = pair((2, 7, 6, 12), filters=8, kernel_size=3, groups=4)
    x = rng.standard_normal((2, 7, 6, 12)).astype("float32")
    kernel = keras.ops.convert_to_numpy(ours.kernel)
    outputs = keras.ops.convert_to_numpy(ours(x))
    np.testing.assert_allclose(outputs, by_hand(x, kernel, 4), atol=1e-5)


CASES = [
    {"filters": 64, "kernel_size": 3, "groups": 16, "padding": "same"},
    {"filters": 64, "kernel_size": 3, "groups": 16},
    {"filters": 32, "kernel_size": 3, "groups": 32, "strides": 2},
    {
        "filters": 32,
        "kernel_size": 3,
        "groups": 8,
        "strides": 2,
        "padding": "same",
    },
    {"filters": 32, "kernel_size": (1, 5), "groups": 2, "padding": "same"},
    {"filters": 32, "kernel_size": (4, 2), "groups": 4, "padding": "same"},
    {"filters": 32, "kernel_size": (2, 4), "groups": 4, "strides": (1, 2)},
    {"filters": 96, "kernel_size": 1, "groups": 32, "use_bias": False},
    {"filters": 32, "kernel_size": 3, "groups": 4, "dilation_rate": 2},
    {
        "filters": 32,
        "kernel_size": 3,
        "groups": 4,
        "dilation_rate": 2,
        "padding": "same",
    },
    {"filters": 32, "kernel_size": 3, "groups": 1},
    {"filters": 64, "kernel_size": 3, "groups": 16, "activation": "relu"},
]


# Keras has no gradient of a dilated convolution of channels first on a CPU, and
# of a dense one only with oneDNN.
FIRST = [
    case for case in CASES if "dilation_rate" not in case and case["groups"] > 1
]


@TENSORFLOW
@pytest.mark.parametrize(
    ("arguments", "data_format"),
    [(case, "channels_last") for case in CASES]
    + [(case, "channels_first") for case in FIRST],
    ids=str,
)
@pytest.mark.parametrize("traced", [False, True])
def test_outputs_and_gradients_are_those_of_keras(
    arguments, data_format, traced, rng
):
    import tensorflow as tf

    shape = (2, 11, 10, 64)
    if data_format == "channels_first":
        shape = (2, 64, 11, 10)
    ours, theirs = pair(shape, data_format=data_format, **arguments)
    x = tf.constant(rng.standard_normal(shape), "float32")

    def values(layer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(tf.sin(y))
        variables = [v.value for v in layer.trainable_variables]
        return y, tape.gradient(loss, [x, *variables])

    function = tf.function(values) if traced else values
    for left, right in zip(
        keras.tree.flatten(function(ours)),
        keras.tree.flatten(function(theirs)),
        strict=True,
    ):
        scale = np.abs(right).max()
        np.testing.assert_allclose(left, right, atol=1e-5 * max(1, scale))


@TENSORFLOW
@pytest.mark.parametrize("arguments", CASES[:7], ids=str)
def test_second_derivatives_are_those_of_keras(arguments, rng):
    """A gradient's own gradient, and the derivative along a direction."""
    import tensorflow as tf

    shape = (2, 9, 8, 64)
    x, along = (
        tf.constant(rng.standard_normal(shape), "float32") for _ in range(2)
    )
    found = []
    for layer in pair(shape, **arguments):
        kernel = layer.kernel.value
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = tf.reduce_sum(tf.sin(layer(x)))
            of_x, of_kernel = inner.gradient(loss, [x, kernel])
            norm = tf.reduce_sum(of_x**2) + tf.reduce_sum(of_kernel**2)
        with tf.autodiff.ForwardAccumulator(x, along) as forward:
            outputs = layer(x)
        slopes = forward.jvp(outputs)
        found.append([*outer.gradient(norm, [x, kernel]), slopes])
    for ours, theirs in zip(*found, strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1, scale))


@TENSORFLOW
@pytest.mark.parametrize(
    "dtype", ["float64", "mixed_bfloat16", "mixed_float16"]
)
def test_other_types(dtype, rng):
    import tensorflow as tf

    arguments = {"filters": 32, "kernel_size": 3, "groups": 8, "dtype": dtype}
    ours, theirs = pair((2, 9, 9, 32), **arguments)
    x = tf.constant(rng.standard_normal((2, 9, 9, 32)), ours.compute_dtype)
    gradients = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(x), "float64") ** 2)
        gradient = tape.gradient(loss, layer.kernel.value)
        gradients.append(tf.cast(gradient, "float64").numpy())
    scale = np.abs(gradients[1]).max()
    tolerance = 1e-12 if dtype == "float64" else 2e-2
    np.testing.assert_allclose(*gradients, atol=tolerance * scale)


@TENSORFLOW
def test_the_image_size_may_be_unknown(rng):
    import tensorflow as tf

    inputs = keras.Input((None, None, 32))
    layer = GroupedConv2D(32, 3, groups=8, strides=2, padding="same")
    model = keras.Model(inputs, layer(inputs))
    x = rng.standard_normal((2, 9, 8, 32)).astype("float32")

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 32))])
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(model(x))
        return tape.gradient(y, x)

    assert gradient(x).shape == x.shape


@TENSORFLOW
def test_an_exported_graph_has_the_native_operator(rng):
    import tensorflow as tf

    inputs = keras.Input((9, 9, 32), batch_size=1)
    outputs = GroupedConv2D(32, 3, groups=8, use_bias=False)(inputs)
    model = keras.Model(inputs, outputs)
    function = tf.function(lambda x: model(x, training=False))
    with one_operator():
        graph = function.get_concrete_function(
            tf.TensorSpec((1, 9, 9, 32))
        ).graph.as_graph_def()
    kinds = [node.op for node in graph.node]
    assert kinds.count("Conv2D") == 1
    assert not {"Split", "SplitV", "ConcatV2"} & set(kinds)
    with one_operator():
        content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    interpreter = tf.lite.Interpreter(model_content=content)
    names = {row["op_name"] for row in interpreter._get_ops_details()}
    assert names - {"DELEGATE"} == {"CONV_2D"}


def test_it_is_interchangeable_with_keras_own(tmp_path):
    arguments = {"filters": 32, "kernel_size": 3, "groups": 8}
    ours, theirs = pair((2, 9, 9, 32), **arguments)
    assert ours.get_config() == {**theirs.get_config(), "name": ours.name}
    assert [v.path.split("/")[-1] for v in ours.weights] == ["kernel", "bias"]
    models = []
    for kind in (GroupedConv2D, keras.layers.Conv2D):
        inputs = keras.Input((9, 9, 32))
        models.append(keras.Model(inputs, kind(**arguments)(inputs)))
    for saved, loaded in (models, models[::-1]):
        path = tmp_path / "model.weights.h5"
        saved.save_weights(path)
        loaded.load_weights(path)
        for left, right in zip(
            saved.get_weights(), loaded.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(left, right)
        path = tmp_path / "model.keras"
        saved.save(path)
        again = keras.models.load_model(path)
        assert type(again.layers[1]) is type(saved.layers[1])


def test_channels_must_be_divisible():
    with pytest.raises(ValueError, match=r"divisible.*groups=3"):
        GroupedConv2D(32, 3, groups=3)
    with pytest.raises(ValueError, match=r"divisible.*30 channels"):
        GroupedConv2D(32, 3, groups=4).build((2, 9, 9, 30))


@TENSORFLOW
@pytest.mark.slow
def test_without_onednn():
    """As in builds of TensorFlow for other processors, in compiled graphs."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", __file__),
            *("-k", "True or unknown or exported or other_types"),
        ],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"},
        check=True,
    )
