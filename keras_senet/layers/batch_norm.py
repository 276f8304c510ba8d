"""Batch normalisation on TensorFlow's fused kernel where there is one."""

import keras
from keras import ops

# The types of feature maps that TensorFlow has the kernel for.
KERNELS = ("float32", "float16", "bfloat16")


@keras.saving.register_keras_serializable("keras_senet")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, trained on TensorFlow's fused kernel.

    Keras computes the moments and the normalisation of a training step in
    separate operations. On the TensorFlow backend this layer uses the one
    kernel that does both, in training and inference, for feature maps of rank 4
    in float32, float16 and bfloat16; everything else (other backends, other
    ranks and types, masks, `synchronized`, `renorm`, compilation with XLA) is
    Keras' own code.
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
        import tensorflow as tf

        channels = self.moving_mean.shape
        gamma = self.gamma if self.scale else ops.ones(channels)
        beta = self.beta if self.center else ops.zeros(channels)
        learns = bool(training) and self.trainable
        moving = (self.moving_mean, self.moving_variance)
        # Not tf.compat.v1.nn.fused_batch_norm, which raises a small epsilon.
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=_float32(gamma),
            offset=_float32(beta),
            mean=[] if learns else _float32(moving[0]),
            variance=[] if learns else _float32(moving[1]),
            epsilon=self.epsilon,
            data_format="NCHW" if self.axis == 1 else "NHWC",
            is_training=learns,
        )
        if learns:
            # The kernel gives the variance of a sample (N - 1); Keras keeps
            # that of the batch (N).
            size = tf.size(inputs, out_type=tf.int64)
            count = tf.cast(size // channels[0], variance.dtype)
            variance = variance * (count - 1.0) / count
            _average(self.moving_mean, mean, self.momentum)
            _average(self.moving_variance, variance, self.momentum)
        return outputs

    def _fusible(self, inputs, mask):
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (-1, 3, 1)
            and keras.backend.standardize_dtype(inputs.dtype) in KERNELS
            and self.compute_dtype == inputs.dtype
            and mask is None
            and not self.synchronized
            and not self.renorm
            and not _under_xla()
        )


def _under_xla():
    """Whether what is traced now is compiled with XLA.

    XLA has no such kernel, and what it puts in its place takes the variance to
    be E[x²] - E[x]², which is nothing but rounding where the mean is large.
    """
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    return control_flow_util.GraphOrParentsInXlaContext(
        tf.compat.v1.get_default_graph()
    )


def _float32(value):
    """The kernel keeps statistics and affine parameters in 32 bits."""
    return ops.cast(ops.convert_to_tensor(value), "float32")


def _average(moving, value, momentum):
    old = ops.cast(moving, value.dtype)
    moving.assign(old * momentum + value * (1.0 - momentum))
