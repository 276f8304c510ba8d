"""Grouped convolution with a gradient that is fast on a CPU."""

import keras
from keras import ops

from keras_senet.device import on_cpu


@keras.saving.register_keras_serializable("keras_senet", name="GroupedConv2D")
class GroupedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D(groups=...)`, trained fast on a CPU.

    On TensorFlow, Keras compiles a grouped convolution with XLA, which is slow
    on a CPU. Here it is TensorFlow's own operation, which is fast forwards, and
    which an exported graph has as it is. On a CPU its own gradient is a plain
    loop, so that of the input is another forward convolution, and that of the
    kernel is taken from dense convolutions of a few groups each. With dilation,
    and on other backends, everything is Keras' own code.

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
        if (
            self.groups == 1
            or max(self.dilation_rate) > 1
            or keras.backend.backend() != "tensorflow"
        ):
            return super().convolution_op(inputs, kernel)
        import tensorflow as tf

        x = ops.convert_to_tensor(inputs, self.compute_dtype)
        # A tensor, since a custom gradient would count a variable on its own.
        kernel = tf.identity(ops.convert_to_tensor(kernel, self.compute_dtype))
        how = self.strides, self.padding.upper()
        if not on_cpu():
            layout = "NHWC" if self.data_format == "channels_last" else "NCHW"
            return tf.nn.conv2d(x, kernel, *how, data_format=layout)
        if self.data_format == "channels_last":
            return _convolve(x, kernel, *how)
        # Not every build of TensorFlow has the other format on a CPU.
        outputs = _convolve(tf.transpose(x, (0, 2, 3, 1)), kernel, *how)
        return tf.transpose(outputs, (0, 3, 1, 2))


# A file of Keras keys a layer by the class's name.
GroupedConv2D.__name__ = GroupedConv2D.__qualname__ = "Conv2D"


def _convolve(x, kernel, strides, padding):
    """A grouped convolution with gradients of every order.

    Args:
        x: tensor of shape `(batch, height, width, channels)`.
        kernel: tensor of shape `(height, width, channels / groups, filters)`.
        strides: pair of integers.
        padding: `"SAME"`, `"VALID"`, or pairs of pixels before and after, per
            axis of `x`.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def convolve(x, kernel):
        outputs = tf.nn.conv2d(x, kernel, strides, padding)
        return outputs, lambda dy: _gradients(x, dy, kernel, strides, padding)

    return convolve(x, kernel)


def _gradients(x, upstream, kernel, strides, padding):
    import tensorflow as tf

    height, width, per_group, filters = kernel.shape
    groups = x.shape[-1] // per_group
    dense = {"strides": (1, *strides, 1), "padding": padding}
    if not isinstance(padding, str):
        dense["padding"] = "EXPLICIT"
        dense["explicit_paddings"] = [n for pair in padding for n in pair]
    # Measured on two cores with AVX-512: dense convolutions of four groups are
    # fastest, up to 64 channels.
    merged = max(
        count
        for count in (1, 2, 3, 4)
        if groups % count == 0 and (count == 1 or count * per_group <= 64)
    )
    parts = groups // merged
    own = filters // groups
    xs = tf.split(x, parts, axis=-1)
    upstreams = tf.split(upstream, parts, axis=-1)

    of_kernels = []
    for part, gradient in zip(xs, upstreams, strict=True):
        whole = tf.raw_ops.Conv2DBackpropFilter(
            input=part,
            filter_sizes=(height, width, merged * per_group, merged * own),
            out_backprop=gradient,
            **dense,
        )
        # The blocks on the diagonal are those of the groups.
        shape = (height, width, merged, per_group, merged, own)
        whole = tf.reshape(whole, shape)
        of_kernels += [whole[:, :, k, :, k] for k in range(merged)]
    of_kernel = tf.concat(of_kernels, axis=-1)

    if max(strides) == 1:
        return _transposed(upstream, kernel, groups, padding), of_kernel
    kernels = _block_diagonal(kernel, groups, merged)
    of_xs = [
        tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(part),
            filter=one,
            out_backprop=gradient,
            **dense,
        )
        for part, gradient, one in zip(
            xs, upstreams, tf.split(kernels, parts, axis=-1), strict=True
        )
    ]
    return tf.concat(of_xs, axis=-1), of_kernel


def _transposed(upstream, kernel, groups, padding):
    """The gradient of the input at stride 1: a convolution again."""
    import tensorflow as tf

    height, width, per_group, filters = kernel.shape
    own = filters // groups
    turned = tf.reshape(
        kernel[::-1, ::-1], (height, width, per_group, groups, own)
    )
    turned = tf.transpose(turned, (0, 1, 4, 3, 2))
    turned = tf.reshape(turned, (height, width, own, groups * per_group))
    if padding == "SAME":
        pads = [((size - 1) // 2, size // 2) for size in (height, width)]
    elif padding == "VALID":
        pads = [(0, 0), (0, 0)]
    else:
        pads = padding[1:3]
    rest = [
        (size - 1 - before, size - 1 - after)
        for size, (before, after) in zip((height, width), pads, strict=True)
    ]
    return _convolve(upstream, turned, (1, 1), [(0, 0), *rest, (0, 0)])


def _block_diagonal(kernel, groups, merged):
    """The dense kernel of every `merged` groups, side by side."""
    import tensorflow as tf

    height, width, per_group, filters = kernel.shape
    parts = groups // merged
    blocks = tf.reshape(
        kernel, (height, width, 1, per_group, parts, merged, filters // groups)
    )
    diagonal = tf.eye(merged, dtype=kernel.dtype)
    diagonal = tf.reshape(diagonal, (1, 1, merged, 1, 1, merged, 1))
    return tf.reshape(
        blocks * diagonal, (height, width, merged * per_group, filters)
    )
