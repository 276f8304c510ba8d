"""Every variable has a gradient, and it is that of finite differences."""

import keras
import numpy as np
import pytest
from small import FAST, KINDS, shallow, size_of, slow_but, small

import keras_senet
from keras_senet.architectures.build import build

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="gradients are taken with TensorFlow here",
)


@pytest.mark.parametrize("name", slow_but(FAST, KINDS))
def test_gradients_are_those_of_finite_differences(name, rng):
    import tensorflow as tf

    network = small(name)
    if network.family in ("inception", "inception_resnet"):
        # Of as many kinds of layers, but fewer.
        network = shallow(network)
    size = size_of(network)
    model = build(
        network,
        input_shape=(size, size, 3),
        classes=5,
        classifier_activation=None,
        dtype="float64",
    )
    # A smooth activation for every ReLU: whether one of these few is dead, or
    # stands at its kink, says nothing about the graph.
    for layer in model.layers:
        if isinstance(layer, keras.layers.ReLU):
            layer.call = keras.activations.silu
        elif isinstance(layer, keras_senet.SqueezeExcite):
            layer.activation = keras.activations.silu
    # Statistics and affine parameters as after some training; gates open and
    # not saturated, so that gradients are not lost in the loss's rounding.
    for variable in model.weights:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.name == "expand_bias":
            variable.assign(rng.uniform(1, 3, variable.shape))
        elif (
            variable.name in ("reduce_kernel", "expand_kernel")
            or len(variable.shape) == 1
        ):
            variable.assign(0.1 * rng.standard_normal(variable.shape))
    x = tf.constant(rng.uniform(0, 255, (2, size, size, 3)))
    weight = tf.constant(rng.standard_normal((2, 5)))

    @tf.function
    def loss():
        return tf.reduce_sum(model(x, training=False) * weight)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(model(x, training=False) * weight)
        return tape.gradient(
            value, [v.value for v in model.trainable_variables]
        )

    step = 1e-6
    for variable, gradient in zip(
        model.trainable_variables, gradients(), strict=True
    ):
        assert gradient is not None, variable.path
        gradient = gradient.numpy()
        assert np.abs(gradient).max() > 0, variable.path
        start = variable.numpy()
        direction = gradient / np.linalg.norm(gradient)
        variable.assign(start + step * direction)
        above = loss().numpy()
        variable.assign(start - step * direction)
        below = loss().numpy()
        variable.assign(start)
        numerical = (above - below) / (2 * step)
        expected = np.linalg.norm(gradient)
        rounding = 10 * np.finfo("float64").eps * abs(above) / step
        error = abs(numerical - expected)
        assert error < 1e-3 * expected + rounding, variable.path
