"""The fused batch normalisation against Keras' own."""

import keras
import numpy as np
import pytest

from keras_senet.layers import BatchNormalization


def pair(**arguments):
    return BatchNormalization(**arguments), keras.layers.BatchNormalization(
        **arguments
    )


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow has the kernel"
)
@pytest.mark.parametrize(
    ("arguments", "fused"),
    [
        ({}, True),
        ({"dtype": "mixed_bfloat16"}, True),
        ({"synchronized": True}, False),
        ({"dtype": "float64"}, False),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_the_graph_has_the_fused_kernel(arguments, fused, training):
    import tensorflow as tf

    layer = BatchNormalization(**arguments)
    shape = (2, 5, 6, 4)
    layer.build(shape)
    graph = tf.function(lambda x: layer(x, training=training))
    found = graph.get_concrete_function(tf.TensorSpec(shape)).graph
    kinds = {operation.type for operation in found.get_operations()}
    assert ("FusedBatchNormV3" in kinds) == fused


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((8, 5, 6, 4), {}),
        ((8, 5, 6, 4), {"momentum": 0.9, "epsilon": 1e-5}),
        ((8, 5, 6, 4), {"scale": False}),
        ((8, 5, 6, 4), {"center": False}),
        ((8, 4, 5, 6), {"axis": 1}),
        ((8, 4), {}),
        ((8, 5, 4), {}),
        ((1, 1, 1, 4), {}),
        ((8, 5, 6, 4), {"dtype": "float64"}),
        ((8, 5, 6, 4), {"dtype": "mixed_float16"}),
        ((8, 5, 6, 4), {"dtype": "mixed_bfloat16"}),
        ((8, 4, 5, 6), {"axis": 1, "dtype": "mixed_bfloat16"}),
        ((8, 5, 6, 4), {"dtype": "float16"}),
        ((8, 5, 6, 4), {"dtype": "bfloat16"}),
        ((8, 5, 6, 4), {"epsilon": 1e-7}),
    ],
)
def test_trains_and_infers_as_keras(shape, arguments, rng):
    ours, theirs = pair(**arguments)
    half = "16" in arguments.get("dtype", "")
    for _ in range(100):
        x = (3 * rng.standard_normal(shape) + 1).astype("float32")
        results = [
            keras.ops.convert_to_numpy(
                keras.ops.cast(layer(x, training=True), "float32")
            )
            for layer in (ours, theirs)
        ]
        np.testing.assert_allclose(*results, atol=1e-2 if half else 1e-5)
    for left, right in zip(ours.weights, theirs.weights, strict=True):
        assert left.name == right.name
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(left),
            keras.ops.convert_to_numpy(right),
            rtol=1e-5,
            atol=1e-5,
        )
    results = [
        keras.ops.convert_to_numpy(
            keras.ops.cast(layer(x, training=False), "float32")
        )
        for layer in (ours, theirs)
    ]
    np.testing.assert_allclose(*results, atol=1e-2 if half else 1e-5)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="gradients are taken with TensorFlow here",
)
@pytest.mark.parametrize("axis", [-1, 1])
def test_gradients_are_those_of_keras(axis, rng):
    import tensorflow as tf

    x = tf.constant(rng.standard_normal((4, 6, 6, 6)), tf.float32)
    weight = tf.constant(rng.standard_normal((4, 6, 6, 6)), tf.float32)
    gradients = []
    for layer in pair(axis=axis):
        layer.build(x.shape)
        layer.gamma.assign(np.linspace(0.5, 2, 6))
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) * weight)
        gradients.append(
            tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
        )
    for left, right in zip(*gradients, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-4)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="XLA is asked for as TensorFlow does",
)
def test_compiled_with_xla_it_is_accurate(rng):
    """A large mean and a small variance, whose squares' difference is noise."""
    import tensorflow as tf

    layer = BatchNormalization(epsilon=1e-6)
    noise = rng.standard_normal((8, 32, 32, 3)).astype("float32")

    @tf.function(jit_compile=True)
    def compiled(x):
        return layer(x, training=True)

    np.testing.assert_allclose(
        compiled(1000 + 0.5 * noise),
        (noise - noise.mean((0, 1, 2))) / noise.std((0, 1, 2)),
        atol=1e-2,
    )
    flat = np.full((8, 32, 32, 3), 255, "float32")
    np.testing.assert_allclose(compiled(flat), 0, atol=1e-2)


def test_frozen_layer_keeps_its_statistics(rng):
    ours, theirs = pair(trainable=False)
    x = rng.standard_normal((8, 5, 6, 4)).astype("float32")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours(x, training=True)),
        keras.ops.convert_to_numpy(theirs(x, training=True)),
        atol=1e-6,
    )
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(ours.moving_mean), 0
    )


def test_mask_falls_back_to_keras(rng):
    ours, theirs = pair()
    x = rng.standard_normal((8, 5, 6, 4)).astype("float32")
    mask = rng.random((8, 5, 6)) > 0.5
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours(x, training=True, mask=mask)),
        keras.ops.convert_to_numpy(theirs(x, training=True, mask=mask)),
        atol=1e-6,
    )


def test_files_are_interchangeable_with_keras(tmp_path, rng):
    ours, theirs = (
        keras.Sequential([keras.Input((5, 6, 4)), layer]) for layer in pair()
    )
    for variable in ours.weights:
        variable.assign(rng.random(variable.shape))
    ours.save_weights(tmp_path / "a.weights.h5")
    theirs.load_weights(tmp_path / "a.weights.h5")
    for left, right in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(left), keras.ops.convert_to_numpy(right)
        )
