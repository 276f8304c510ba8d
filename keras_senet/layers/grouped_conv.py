"""Grouped convolution with a gradient that is fast on a CPU."""

import keras
from keras import ops

from keras_senet.device import on_cpu


@keras.saving.register_keras_serializable("keras_senet", name="GroupedConv2D")
class GroupedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D(groups=...)`, trained fast on a CPU.

    On TensorFlow, Keras compiles a grouped convolution with XLA, which is slow
    on a CPU. Here it is TensorFlow's own operation, which is fast forwards, and
    which an exported graph has as it is. Its own gradient is a plain loop, so
    that of the input is another forward convolution, and that of the kernel is
    taken from dense convolutions of a few groups each. On a GPU or TPU, with
    dilation, and on other backends everything is Keras' own code.

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
        if self.groups == 1 or max(self.dilation_rate) > 1 or not on_cpu():
            return super().convolution_op(inputs, kernel)
        import tensorflow as tf

        @tf.custom_gradient
        def convolve(x, kernel):
            outputs = tf.nn.conv2d(
                x, kernel, self.strides, self.padding.upper()
            )
            return outputs, lambda dy: self._gradients(x, dy, kernel)

        x = ops.convert_to_tensor(inputs, self.compute_dtype)
        # A tensor, since a custom gradient would count a variable on its own.
        kernel = tf.identity(ops.convert_to_tensor(kernel, self.compute_dtype))
        if self.data_format == "channels_last":
            return convolve(x, kernel)
        # Not every build of TensorFlow has the other format on a CPU.
        outputs = convolve(tf.transpose(x, (0, 2, 3, 1)), kernel)
        return tf.transpose(outputs, (0, 3, 1, 2))

    def _gradients(self, x, upstream, kernel):
        import tensorflow as tf

        size = kernel.shape[:2]
        dense = {
            "strides": (1, *self.strides, 1),
            "padding": self.padding.upper(),
        }
        # Measured on two cores with AVX-512: dense convolutions of four groups
        # are fastest, up to 64 channels.
        per_group = kernel.shape[2]
        merged = max(
            count
            for count in (1, 2, 3, 4)
            if self.groups % count == 0
            and (count == 1 or count * per_group <= 64)
        )
        parts = self.groups // merged
        width = merged * kernel.shape[3] // self.groups
        xs = tf.split(x, parts, axis=-1)
        upstreams = tf.split(upstream, parts, axis=-1)

        of_kernels = []
        for part, gradient in zip(xs, upstreams, strict=True):
            whole = tf.raw_ops.Conv2DBackpropFilter(
                input=part,
                filter_sizes=(*size, merged * per_group, width),
                out_backprop=gradient,
                **dense,
            )
            # The blocks on the diagonal are those of the groups.
            shape = (*size, merged, per_group, merged, width // merged)
            whole = tf.reshape(whole, shape)
            of_kernels += [whole[:, :, k, :, k] for k in range(merged)]
        of_kernel = tf.concat(of_kernels, axis=-1)

        if max(self.strides) == 1:
            return self._transposed(upstream, kernel), of_kernel
        kernels = _block_diagonal(kernel, self.groups, merged)
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

    def _transposed(self, upstream, kernel):
        """The gradient of the input at stride 1: a convolution again."""
        import tensorflow as tf

        height, width, per_group, filters = kernel.shape
        shape = (height, width, per_group, self.groups, filters // self.groups)
        turned = tf.reshape(kernel[::-1, ::-1], shape)
        turned = tf.transpose(turned, (0, 1, 4, 3, 2))
        turned = tf.reshape(
            turned,
            (height, width, filters // self.groups, self.groups * per_group),
        )
        pads = [(0, 0)]
        for size in (height, width):
            # "same" has put (size - 1) // 2 before the map and the rest after
            # it, "valid" nothing.
            before, after = 0, 0
            if self.padding == "same":
                before = (size - 1) // 2
                after = size - 1 - before
            pads.append((size - 1 - before, size - 1 - after))
        return tf.nn.conv2d(upstream, turned, 1, [*pads, (0, 0)])


# A file of Keras keys a layer by the class's name.
GroupedConv2D.__name__ = GroupedConv2D.__qualname__ = "Conv2D"


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
