"""The Squeeze-and-Excitation block (Hu et al., TPAMI 2019, section 3)."""

from numbers import Integral, Real

import keras
from keras import ops

SQUEEZES = ("avg", "max", "none")


@keras.saving.register_keras_serializable("keras_senet")
class SqueezeExcite(keras.layers.Layer):
    """Rescales each channel of a feature map by a gate computed from the map.

    The map is pooled to one number per channel (squeeze), two 1x1 convolutions
    with a bottleneck between them turn these into one gate per channel
    (excitation), and the map is multiplied by its gates.

    Args:
        reduction: positive number, the ratio r by which the bottleneck is
            narrower than the map. Defaults to `16`.
        hidden: positive integer or `None`, the width of the bottleneck in
            channels. Defaults to `None`: `max(1, channels // reduction)`.
        squeeze: one of `"avg"` (global average pool), `"max"` (global max
            pool) or `"none"` (no pool: a gate per position as well, "NoSqueeze"
            in Table 16). Defaults to `"avg"`.
        activation: name of a Keras activation or a callable, applied in the
            bottleneck. Defaults to `"relu"`.
        excitation: name of a Keras activation or a callable that makes the
            gates. Defaults to `"sigmoid"`.
        use_bias: boolean, whether both convolutions have a bias. Defaults to
            `True`, as in the released networks; the paper's ablations
            (section 6) go without.
        output_scale: number by which the gates are multiplied. With `2` and
            `expand_initializer="zeros"` a sigmoid gate starts at exactly one.
            Defaults to `1`.
        data_format: `"channels_last"`, `"channels_first"` or `None` for the
            one in the Keras configuration. Defaults to `None`.
        kernel_initializer: initializer of both kernels. Defaults to
            `"he_normal"`.
        expand_initializer: initializer of the second kernel, or `None` for
            that of the first. Defaults to `None`.
        kernel_regularizer: regularizer of both kernels. Defaults to `None`.
        **kwargs: `name`, `dtype` and `trainable` of `keras.layers.Layer`.

    Input shape:
        `(batch, *spatial, channels)`, or `(batch, channels, *spatial)` with
        `data_format="channels_first"`, with one, two or three spatial
        dimensions of any size.

    Output shape:
        The shape of the input.

    Raises:
        ValueError: for a `reduction` or `hidden` that is not positive, an
            unknown operator, or (when built) an input of another rank or
            without a channel count.

    Example:

    >>> x = np.random.rand(2, 56, 56, 256).astype("float32")
    >>> layer = keras_senet.SqueezeExcite(reduction=16)
    >>> tuple(layer(x).shape), tuple(layer.excite(x).shape)
    ((2, 56, 56, 256), (2, 1, 1, 256))

    Reference:
        [Squeeze-and-Excitation Networks](https://arxiv.org/abs/1709.01507),
        sections 3.1 and 3.2, equations 2 to 4.
    """

    def __init__(
        self,
        reduction: float = 16,
        hidden: int | None = None,
        squeeze: str = "avg",
        activation="relu",
        excitation="sigmoid",
        use_bias: bool = True,
        output_scale: float = 1.0,
        data_format: str | None = None,
        kernel_initializer="he_normal",
        expand_initializer=None,
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_positive("reduction", reduction, Real, "a number")
        _check_positive("output_scale", output_scale, Real, "a number")
        if hidden is not None:
            _check_positive("hidden", hidden, Integral, "an integer")
            hidden = int(hidden)
        if hasattr(reduction, "item"):
            # numpy's numbers become Python's, which JSON knows.
            reduction = reduction.item()
        if squeeze not in SQUEEZES:
            raise ValueError(
                f"`squeeze` is {squeeze!r}, which SqueezeExcite does not know. "
                f"Allowed: {', '.join(map(repr, SQUEEZES))}."
            )
        self.reduction = reduction
        self.hidden = hidden
        self.squeeze = squeeze
        self.activation = _activation("activation", activation)
        self.excitation = _activation("excitation", excitation)
        self.use_bias = use_bias
        self.output_scale = float(output_scale)
        self.data_format = keras.config.image_data_format()
        if data_format is not None:
            if data_format not in ("channels_last", "channels_first"):
                raise ValueError(
                    f"`data_format` is {data_format!r}. Allowed: "
                    "'channels_last', 'channels_first' or None."
                )
            self.data_format = data_format
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.expand_initializer = keras.initializers.get(expand_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        rank = len(input_shape)
        if rank not in (3, 4, 5):
            raise ValueError(
                f"SqueezeExcite got an input of shape {tuple(input_shape)}, "
                f"which has rank {rank}. Allowed: rank 3, 4 or 5 (batch, one "
                "to three spatial dimensions, channels)."
            )
        axis = self._channel_axis
        channels = input_shape[axis]
        if channels is None:
            raise ValueError(
                f"SqueezeExcite got an input of shape {tuple(input_shape)} "
                f"with an unknown channel count (axis {axis}, "
                f"{self.data_format}). Give the input a fixed channel count."
            )
        hidden = self.hidden or max(1, int(channels // self.reduction))
        ones = (1,) * (rank - 2)
        self.reduce_kernel = self.add_weight(
            name="reduce_kernel",
            shape=(*ones, channels, hidden),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        if self.use_bias:
            self.reduce_bias = self.add_weight(
                name="reduce_bias", shape=(hidden,), initializer="zeros"
            )
        expand_initializer = self.expand_initializer
        if expand_initializer is None:
            # A copy with a seed of its own, as far as it is an object.
            expand_initializer = self.kernel_initializer
            if isinstance(expand_initializer, keras.initializers.Initializer):
                expand_initializer = expand_initializer.clone()
        self.expand_kernel = self.add_weight(
            name="expand_kernel",
            shape=(*ones, hidden, channels),
            initializer=expand_initializer,
            regularizer=self.kernel_regularizer,
        )
        if self.use_bias:
            self.expand_bias = self.add_weight(
                name="expand_bias", shape=(channels,), initializer="zeros"
            )
        self.input_spec = keras.layers.InputSpec(
            ndim=rank, axes={axis: channels}
        )

    def excite(self, inputs):
        """Returns the gates of a feature map.

        Args:
            inputs: tensor in the shape the layer takes.

        Returns:
            Tensor of the input's rank whose spatial dimensions are 1 (those
            of the input with `squeeze="none"`).
        """
        if not self.built:
            self.build(inputs.shape)
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        return self._gates(self._pool(inputs))

    def call(self, inputs, training=None):
        # Keras casts floats alone, and an image may be of integers.
        inputs = ops.cast(inputs, self.compute_dtype)
        if not training or self.squeeze == "none":
            return inputs * self._gates(self._pool(inputs))
        if self.squeeze == "avg" and keras.backend.backend() == "tensorflow":
            inputs, squeezed = _pass_and_average(inputs, self._spatial_axes)
        else:
            squeezed = self._pool(inputs)
        return inputs * self._gates(squeezed, "matmul")

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {
            "reduction": self.reduction,
            "hidden": self.hidden,
            "squeeze": self.squeeze,
            "activation": keras.activations.serialize(self.activation),
            "excitation": keras.activations.serialize(self.excitation),
            "use_bias": self.use_bias,
            "output_scale": self.output_scale,
            "data_format": self.data_format,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
            "expand_initializer": keras.initializers.serialize(
                self.expand_initializer
            ),
            "kernel_regularizer": keras.regularizers.serialize(
                self.kernel_regularizer
            ),
        }
        return {**super().get_config(), **config}

    @property
    def _channel_axis(self):
        return -1 if self.data_format == "channels_last" else 1

    @property
    def _spatial_axes(self):
        axes = list(range(1, self.input_spec.ndim))
        axes.pop(self._channel_axis if self._channel_axis < 0 else 0)
        return axes

    def _pool(self, inputs):
        if self.squeeze == "avg":
            return ops.mean(inputs, axis=self._spatial_axes, keepdims=True)
        if self.squeeze == "max":
            return ops.max(inputs, axis=self._spatial_axes, keepdims=True)
        return inputs

    def _gates(self, squeezed, form="convolution"):
        """The gates of a pooled map.

        In 1x1 convolutions, not Dense layers: LiteRT runs them in one XNNPACK
        partition, and Dense needs reshapes that break the network into two or
        four. In training as products of matrices, whose gradients cost a
        fraction of those of convolutions on maps of one pixel.
        """
        gates = squeezed
        if form == "matmul":
            gates = ops.reshape(gates, (-1, squeezed.shape[self._channel_axis]))
        gates = self.activation(self._transform(gates, "reduce"))
        gates = self.excitation(self._transform(gates, "expand"))
        if self.output_scale != 1.0:
            gates = gates * self.output_scale
        if form == "matmul":
            gates = ops.reshape(gates, (-1, *squeezed.shape[1:]))
        return gates

    def _transform(self, x, which):
        # Keras casts variables to the compute dtype in `call` alone, and
        # `excite` runs outside of it.
        kernel = ops.cast(getattr(self, f"{which}_kernel"), x.dtype)
        if len(x.shape) == 2:
            x = ops.matmul(x, ops.reshape(kernel, kernel.shape[-2:]))
        else:
            x = ops.conv(
                x, kernel, padding="valid", data_format=self.data_format
            )
        if self.use_bias:
            bias = ops.cast(getattr(self, f"{which}_bias"), x.dtype)
            if self.data_format == "channels_first" and len(x.shape) > 2:
                bias = ops.reshape(bias, (-1,) + (1,) * (len(x.shape) - 2))
            x = ops.add(x, bias)
        return x


def _pass_and_average(x, axes):
    """A map as it is, and its average with the gradients of both in one.

    TensorFlow's own gradient of the average is a whole map, divided and then
    added, which is three passes over memory instead of one.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def pass_and_average(x):
        # Sums and counts are soon beyond the range of half precision.
        wide = tf.cast(x, "float32") if x.dtype.size < 4 else x
        count = tf.reduce_prod([tf.shape(x)[axis] for axis in axes])

        def gradient(passed, averaged):
            share = tf.cast(averaged, wide.dtype) / tf.cast(count, wide.dtype)
            return passed + tf.cast(share, x.dtype)

        average = tf.cast(tf.reduce_mean(wide, axes, True), x.dtype)
        return (tf.identity(x), average), gradient

    return pass_and_average(x)


def _check_positive(argument, value, kind, article):
    number = isinstance(value, kind) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise ValueError(
            f"`{argument}` is {value!r}. Allowed: {article} greater than 0."
        )


def _activation(argument, value):
    try:
        found = keras.activations.get(value)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"`{argument}` is {value!r}, which is no Keras activation. "
            "Allowed: a name such as 'sigmoid', 'hard_sigmoid', 'tanh' or "
            "'relu', or a callable."
        ) from error
    return found
