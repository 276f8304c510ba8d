"""Batch normalisation on a fused kernel where there is one."""

import keras
from keras import ops

# The types of feature maps that the kernels are for.
KERNELS = {
    "tensorflow": ("float32", "float16", "bfloat16"),
    "torch": ("float32", "float16", "bfloat16", "float64"),
}


@keras.saving.register_keras_serializable("keras_senet")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, trained on a fused kernel.

    Keras computes the moments and the normalisation of a training step in
    separate operations. On TensorFlow and torch this layer uses the one kernel
    that does both, in training and inference, for feature maps of rank 4 in
    float32, float16 and bfloat16, on torch in float64 too; everything else
    (JAX, other ranks and types, masks, `synchronized`, `renorm`, compilation
    with XLA) is Keras' own code.
    Variables, configuration and results are those of Keras, and so is the
    layer's class name, so that weight files are interchangeable.

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
        if not self._fusible(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        channels = self.moving_mean.shape
        learns = bool(training) and self.trainable
        kernel = _torch if keras.backend.backend() == "torch" else _tensorflow
        outputs, mean, variance = kernel(
            inputs,
            _statistic(
                self.gamma
                if self.scale
                else ops.ones(channels, self.variable_dtype)
            ),
            _statistic(
                self.beta
                if self.center
                else ops.zeros(channels, self.variable_dtype)
            ),
            None if learns else _statistic(self.moving_mean),
            None if learns else _statistic(self.moving_variance),
            self.epsilon,
            self.axis == 1,
        )
        if learns:
            _average(self.moving_mean, mean, self.momentum)
            _average(self.moving_variance, variance, self.momentum)
        return outputs

    def _fusible(self, inputs, mask):
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        return (
            dtype in KERNELS.get(keras.backend.backend(), ())
            and len(inputs.shape) == 4
            and self.axis in (-1, 3, 1)
            and self.compute_dtype == dtype
            and mask is None
            and not self.synchronized
            and not self.renorm
            and not _under_xla()
        )


def _tensorflow(inputs, gamma, beta, mean, variance, epsilon, channels_first):
    """What TensorFlow's kernel puts out, and the statistics of the batch.

    Without `mean` and `variance` it normalises by those of the batch.
    """
    import tensorflow as tf

    learns = mean is None
    # Not tf.compat.v1.nn.fused_batch_norm, which raises a small epsilon.
    outputs, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=gamma,
        offset=beta,
        mean=[] if learns else mean,
        variance=[] if learns else variance,
        epsilon=epsilon,
        data_format="NCHW" if channels_first else "NHWC",
        is_training=learns,
    )
    if learns:
        # The kernel gives the variance of a sample (N - 1); Keras keeps that
        # of the batch (N).
        size = tf.size(inputs, out_type=tf.int64)
        count = tf.cast(size // gamma.shape[0], batch_variance.dtype)
        batch_variance = batch_variance * (count - 1.0) / count
    return outputs, batch_mean, batch_variance


def _torch(inputs, gamma, beta, mean, variance, epsilon, channels_first):
    """The same of torch's."""
    import torch

    # A view, whose memory torch takes as it lies.
    x = inputs if channels_first else inputs.permute(0, 3, 1, 2)
    if mean is None:
        outputs, mean, deviation = torch.native_batch_norm(
            x, gamma, beta, None, None, True, 0.0, epsilon
        )
        # It gives 1 / sqrt(variance + epsilon); rounded, a variance of zero
        # may come out below it.
        variance = (deviation.detach() ** -2 - epsilon).clamp(min=0)
    else:
        # Which torch exports to ONNX, unlike the other.
        outputs = torch.nn.functional.batch_norm(
            x, mean, variance, gamma, beta, eps=epsilon
        )
    if not channels_first:
        outputs = outputs.permute(0, 2, 3, 1)
    return outputs, mean, variance


def _under_xla():
    """Whether TensorFlow compiles with XLA what is traced now.

    XLA has no such kernel, and what it puts in its place takes the variance to
    be E[x²] - E[x]², which is nothing but rounding where the mean is large.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    return control_flow_util.GraphOrParentsInXlaContext(
        tf.compat.v1.get_default_graph()
    )


def _statistic(value):
    """The kernels keep statistics and affine parameters in 32 bits or more."""
    value = ops.convert_to_tensor(value)
    dtype = keras.backend.standardize_dtype(value.dtype)
    return value if dtype == "float64" else ops.cast(value, "float32")


def _average(moving, value, momentum):
    old = ops.cast(moving, value.dtype)
    moving.assign(old * momentum + value * (1.0 - momentum))
