"""Grouped convolution that is trained fast on a CPU."""

import contextlib
import contextvars
import functools
from collections.abc import Iterator

import keras
from keras import ops

from keras_senet.device import on_cpu

_one_operator = contextvars.ContextVar("one_operator", default=False)


@contextlib.contextmanager
def one_operator() -> Iterator[None]:
    """Makes one operator of every grouped convolution that is traced meanwhile.

    Other runtimes compute it fast, whatever this machine's TensorFlow does.

    Example:

    >>> layer = keras_senet.layers.GroupedConv2D(64, 3, groups=32)
    >>> with one_operator():
    ...     tuple(layer(np.ones((2, 8, 8, 64), "float32")).shape)
    (2, 6, 6, 64)
    """
    token = _one_operator.set(True)
    try:
        yield
    finally:
        _one_operator.reset(token)


@keras.saving.register_keras_serializable("keras_senet", name="GroupedConv2D")
class GroupedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D(groups=...)`, trained fast on a CPU.

    On TensorFlow, Keras compiles a grouped convolution with XLA, which is slow
    on a CPU. Here it is TensorFlow's own operator where that can
    be trained: on a GPU, and on a CPU in the types that oneDNN computes,
    where it is switched on. Elsewhere it is computed in dense
    convolutions of a few groups each, unless the graph is exported
    (`one_operator`). On other backends everything is Keras' own code, and so is
    dilation where TensorFlow can't train it.

    Variables, configuration and results are those of Keras, and so is the
    layer's class name, so that weight files are interchangeable.

    Args:
        *args, **kwargs: those of `keras.layers.Conv2D`.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height,
        width)` with `data_format="channels_first"`.

    Output shape:
        The same with `filters` channels.

    Raises:
        ValueError: if `groups` does not divide the channels or `filters`.

    Example:

    >>> layer = keras_senet.layers.GroupedConv2D(64, 3, groups=32)
    >>> tuple(layer(np.ones((2, 8, 8, 64), "float32")).shape)
    (2, 6, 6, 64)
    """

    def convolution_op(self, inputs, kernel):
        if self.groups == 1 or keras.backend.backend() != "tensorflow":
            return super().convolution_op(inputs, kernel)
        import tensorflow as tf

        x = ops.convert_to_tensor(inputs, self.compute_dtype)
        kernel = ops.convert_to_tensor(kernel, self.compute_dtype)
        whole = not on_cpu() or has_gradient(x.dtype) or _one_operator.get()
        if not whole and max(self.dilation_rate) > 1:
            # TensorFlow's gradient of it is oneDNN's as well.
            return super().convolution_op(inputs, kernel)
        convolve = functools.partial(
            tf.nn.conv2d,
            strides=self.strides,
            padding=self.padding.upper(),
            dilations=self.dilation_rate,
        )
        if not whole:
            convolve = functools.partial(_in_parts, convolve)
        if self.data_format == "channels_last":
            return convolve(x, kernel)
        if not on_cpu():
            return convolve(x, kernel, data_format="NCHW")
        # Not every build of TensorFlow has this format on a CPU.
        outputs = convolve(tf.transpose(x, (0, 2, 3, 1)), kernel)
        return tf.transpose(outputs, (0, 3, 1, 2))


# A file of Keras keys a layer by the class's name.
GroupedConv2D.__name__ = "Conv2D"


@functools.cache
def has_gradient(dtype) -> bool:
    """Whether TensorFlow has the gradients of grouped convolutions on this CPU.

    It has them in oneDNN alone, which not every build has, which may be
    switched off (`TF_ENABLE_ONEDNN_OPTS=0`), and which does not know every
    type. Without it, graphs with such a convolution can fail forwards, too:
    joined with a bias it is an operator that TensorFlow then has not.

    Args:
        dtype: a `tf.DType`.

    Returns:
        Whether a small gradient can be computed.
    """
    import tensorflow as tf

    with tf.init_scope(), tf.device("CPU"):
        pair = tf.ones((1, 1, 1, 2), dtype)
        try:
            tf.raw_ops.Conv2DBackpropFilter(
                input=pair,
                filter_sizes=(1, 1, 1, 2),
                out_backprop=pair,
                strides=(1, 1, 1, 1),
                padding="VALID",
            )
        except tf.errors.OpError:
            return False
    return True


def _in_parts(convolve, x, kernel):
    """A grouped convolution as dense ones of a few groups each.

    Args:
        convolve: function of a map and a kernel.
        x: tensor of shape `(batch, height, width, channels)`.
        kernel: tensor of shape `(height, width, channels / groups, filters)`.
    """
    import tensorflow as tf

    height, width, per_group, filters = kernel.shape
    groups = x.shape[-1] // per_group
    # Measured on two cores with AVX-512: four groups are fastest, up to 64
    # channels.
    merged = max(
        count
        for count in (1, 2, 3, 4)
        if groups % count == 0 and (count == 1 or count * per_group <= 64)
    )
    parts = groups // merged
    # The groups' kernels on the diagonal, zeros elsewhere.
    blocks = tf.reshape(
        kernel, (height, width, 1, per_group, parts, merged, filters // groups)
    )
    diagonal = tf.eye(merged, dtype=kernel.dtype)
    diagonal = tf.reshape(diagonal, (1, 1, merged, 1, 1, merged, 1))
    kernels = tf.reshape(
        blocks * diagonal, (height, width, merged * per_group, filters)
    )
    outputs = [
        convolve(part, one)
        for part, one in zip(
            tf.split(x, parts, axis=-1),
            tf.split(kernels, parts, axis=-1),
            strict=True,
        )
    ]
    return tf.concat(outputs, axis=-1)
