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


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="torch has the kernel"
)
@pytest.mark.parametrize(
    ("arguments", "fused"), [({}, True), ({"renorm": True}, False)]
)
def test_torch_computes_with_its_kernel(arguments, fused):
    import torch

    layer = BatchNormalization(**arguments)
    x = torch.randn(2, 5, 6, 4, requires_grad=True)
    todo, names = [layer(x, training=True).grad_fn], set()
    while todo:
        step = todo.pop()
        names.add(step.name())
        todo += [one for one, _ in step.next_functions if one]
    assert ("NativeBatchNormBackward0" in names) == fused


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
    dtype = arguments.get("dtype", "float32")
    near = {"atol": 1e-2 if "16" in dtype else 1e-5}
    if keras.backend.backend() == "torch" and "bfloat16" in dtype:
        # A unit in the last place.
        near = {"rtol": 2**-7, "atol": 1e-3}
    elif keras.backend.backend() == "torch" and np.prod(shape) == 4:
        # torch multiplies by 1 / sqrt(variance + epsilon) before it subtracts,
        # and one value has no variance: 32 times the rounding of the value.
        near = {"atol": 1e-4}
    for _ in range(100):
        x = (3 * rng.standard_normal(shape) + 1).astype("float32")
        results = [
            keras.ops.convert_to_numpy(
                keras.ops.cast(layer(x, training=True), "float32")
            )
            for layer in (ours, theirs)
        ]
        np.testing.assert_allclose(*results, **near)
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
    np.testing.assert_allclose(*results, **near)


def gradients(layer, x, weight):
    """Of the weighted sum of what a layer puts out in training."""
    if keras.backend.backend() == "torch":
        import torch

        x = torch.tensor(x, requires_grad=True)
        (layer(x, training=True) * torch.tensor(weight)).sum().backward()
        found = [x, layer.gamma.value, layer.beta.value]
        return [one.grad.numpy() for one in found]
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, training=True) * weight)
    return tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="all of it is Keras' own code"
)
@pytest.mark.parametrize("axis", [-1, 1])
def test_gradients_are_those_of_keras(axis, rng):
    x, weight = rng.standard_normal((2, 4, 6, 6, 6)).astype("float32")
    both = []
    for layer in pair(axis=axis):
        layer.build(x.shape)
        layer.gamma.assign(np.linspace(0.5, 2, 6))
        both.append(gradients(layer, x, weight))
    for left, right in zip(*both, strict=True):
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


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="all of it is Keras' own code"
)
def test_a_large_mean_leaves_it_accurate(rng):
    """Which Keras' own code on torch is not: it subtracts the squares."""
    layer = BatchNormalization(epsilon=1e-6)
    noise = rng.standard_normal((8, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer(1000 + 0.5 * noise, training=True)),
        (noise - noise.mean((0, 1, 2))) / noise.std((0, 1, 2)),
        atol=1e-2,
    )
    flat = np.full((8, 32, 32, 3), 255, "float32")
    found = keras.ops.convert_to_numpy(layer(flat, training=True))
    np.testing.assert_allclose(found, 0, atol=1e-2)
    assert (keras.ops.convert_to_numpy(layer.moving_variance) >= 0).all()


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
