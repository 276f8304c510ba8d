"""Batch normalisation on TensorFlow's fused kernel where there is one."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_senet")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, trained on TensorFlow's fused kernel.

    Keras computes the moments and the normalisation of a training step in
    separate operations. On the TensorFlow backend this layer uses the one
    kernel that does both for float32 feature maps of rank 4; everything else
    (other backends, other ranks and types, masks, `synchronized`, `renorm`,
    inference) is Keras' own code. Variables, configuration and results are
    those of Keras, and so is the layer's class name, so that weight files are
    interchangeable.

    Args:
        *args, **kwargs: those of `keras.layers.BatchNormalization`.

    Input shape:
        Any. The axis of the channels is `axis`.

    Output shape:
        The shape of the input.

    Example:

    >>> layer = keras_senet.layers.BatchNormalization()
    >>> tuple(layer(np.ones((2, 8, 8, 4), "float32"), training=True).shape)
    (2, 8, 8, 4)
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable) or not self._fusible(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        channels = self.moving_mean.shape
        gamma = self.gamma if self.scale else ops.ones(channels)
        beta = self.beta if self.center else ops.zeros(channels)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            ops.convert_to_tensor(gamma),
            ops.convert_to_tensor(beta),
            epsilon=self.epsilon,
            data_format="NCHW" if self.axis == 1 else "NHWC",
            is_training=True,
        )
        # The kernel gives the variance of a sample (N - 1); Keras keeps that
        # of the batch (N).
        count = tf.cast(tf.size(inputs) // channels[0], variance.dtype)
        variance = variance * (count - 1.0) / count
        _average(self.moving_mean, mean, self.momentum)
        _average(self.moving_variance, variance, self.momentum)
        return outputs

    def _fusible(self, inputs, mask):
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (-1, 3, 1)
            and keras.backend.standardize_dtype(inputs.dtype) == "float32"
            and mask is None
            and not self.synchronized
            and not self.renorm
        )


def _average(moving, value, momentum):
    moving.assign(moving * momentum + value * (1.0 - momentum))
