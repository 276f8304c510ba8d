"""The layers that every family is built from, with one set of conventions."""

import math

from keras import initializers, layers

from keras_senet.architectures.table import Network
from keras_senet.layers import (
    BatchNormalization,
    GroupedConv2D,
    SqueezeExcite,
)


class Blocks:
    """Makes the named layers of one network and collects its feature maps.

    Args:
        network: the record of the network.
        data_format: `"channels_last"` or `"channels_first"`.
        dtype: dtype policy of the layers, or `None` for the global one.
    """

    def __init__(self, network: Network, data_format: str, dtype):
        self.network = network
        self.data_format = data_format
        self.dtype = dtype
        self.channel_axis = -1 if data_format == "channels_last" else 1
        self.features = {}

    def channels(self, x) -> int:
        return x.shape[self.channel_axis]

    def conv(
        self,
        x,
        filters,
        size,
        *,
        name,
        strides=1,
        padding="half",
        groups=1,
        use_bias=False,
    ):
        """A convolution, He normal (He et al. 2015, the paper's own choice).

        As they draw it, from the whole distribution: Keras' own truncates it,
        which makes building the deep networks half as slow again.

        `padding="half"` pads symmetrically by half the kernel whatever the
        stride, as Caffe and torch do; Keras' "same" pads more after than
        before when the stride is 2 and the size is even.
        """
        x, padding = self._pad_half(x, size, strides, padding, name)
        convolution = GroupedConv2D if groups > 1 else layers.Conv2D
        return convolution(
            filters,
            size,
            strides=strides,
            padding=padding,
            groups=groups,
            use_bias=use_bias,
            kernel_initializer=initializers.VarianceScaling(
                2.0, "fan_in", "untruncated_normal"
            ),
            data_format=self.data_format,
            dtype=self.dtype,
            name=f"{name}_conv",
        )(x)

    def depthwise(self, x, size, *, name, strides=1, padding="half"):
        x, padding = self._pad_half(x, size, strides, padding, name)
        return layers.DepthwiseConv2D(
            size,
            strides=strides,
            padding=padding,
            use_bias=False,
            # He normal for the size**2 inputs that a filter has; Keras would
            # count those of all channels.
            depthwise_initializer=initializers.RandomNormal(
                stddev=math.sqrt(2.0) / size
            ),
            data_format=self.data_format,
            dtype=self.dtype,
            name=f"{name}_conv",
        )(x)

    def _pad_half(self, x, size, strides, padding, name):
        if padding != "half":
            return x, padding
        if strides == 1 or size == 1:
            return x, "same"
        return self.pad(x, size // 2, name=f"{name}_pad"), "valid"

    def norm(self, x, *, name, scale=True):
        return BatchNormalization(
            axis=self.channel_axis,
            momentum=0.9,
            epsilon=self.network.epsilon,
            scale=scale,
            dtype=self.dtype,
            name=f"{name}_bn",
        )(x)

    def relu(self, x, *, name, max_value=None):
        return layers.ReLU(max_value, dtype=self.dtype, name=f"{name}_relu")(x)

    def norm_relu(self, x, *, name):
        return self.relu(self.norm(x, name=name), name=name)

    def conv_norm_relu(self, x, filters, size, *, name, **options):
        x = self.conv(x, filters, size, name=name, **options)
        return self.norm_relu(x, name=name)

    def pad(self, x, padding, *, name):
        return layers.ZeroPadding2D(
            padding, data_format=self.data_format, dtype=self.dtype, name=name
        )(x)

    def pool(self, x, kind, size, *, name, strides, padding="valid"):
        layer = {"max": layers.MaxPooling2D, "avg": layers.AveragePooling2D}
        return layer[kind](
            size,
            strides=strides,
            padding=padding,
            data_format=self.data_format,
            dtype=self.dtype,
            name=f"{name}_pool",
        )(x)

    def halving_max_pool(self, x, *, name, after=1):
        """The 3x3 max pool of stride 2, as the record says it is padded.

        Caffe pools unpadded and rounds the size up (`pool="ceil"`), which
        equals one row and column of zeros after the map when that map is not
        negative, at any size. timm and torchvision pad both sides
        (`pool="padded"`). `after` is how much is added at the end.
        """
        before = {"ceil": 0, "padded": 1}[self.network.pool]
        x = self.pad(x, ((before, after), (before, after)), name=f"{name}_pad")
        return self.pool(x, "max", 3, strides=2, name=name)

    def add(self, tensors, *, name):
        return layers.Add(dtype=self.dtype, name=f"{name}_add")(tensors)

    def concatenate(self, tensors, *, name):
        return layers.Concatenate(
            axis=self.channel_axis, dtype=self.dtype, name=f"{name}_concat"
        )(tensors)

    def squeeze_excite(self, x, *, stage, name):
        """The SE block of a stage; `x` itself where the network has none."""
        se = self.network.se
        if se is None or (se.se_stages and stage not in se.se_stages):
            return x
        reduction = se.reduction
        if isinstance(reduction, tuple):
            reduction = reduction[self.network.stages.index(stage)]
        return SqueezeExcite(
            reduction=reduction,
            squeeze=se.squeeze,
            excitation=se.excitation,
            use_bias=se.se_bias,
            output_scale=se.output_scale,
            expand_initializer="zeros" if se.output_scale != 1 else None,
            data_format=self.data_format,
            dtype=self.dtype,
            name=f"{name}_se",
        )(x)

    def residual(self, x, branch, shortcut, *, stage, name):
        """Adds `branch(x)` to the shortcut, with SE where the design puts it.

        Args:
            x: the block's input.
            branch: function tensor -> tensor, without the SE block.
            shortcut: the tensor it is added to.
            stage: number of the stage.
            name: prefix of the layers.

        The designs are those of Fig. 5 of the paper. "3x3" lies inside the
        branch and "post" after the activation that follows the sum, so both
        are placed by `at`.
        """
        x = self.at("pre", x, stage=stage, name=name)
        x = branch(x)
        x = self.at("standard", x, stage=stage, name=name)
        shortcut = self.at("identity", shortcut, stage=stage, name=name)
        return self.add([shortcut, x], name=name)

    def at(self, placement, x, *, stage, name):
        """The SE block if the network's design has it at this place."""
        if self.network.se and self.network.se.placement == placement:
            x = self.squeeze_excite(x, stage=stage, name=name)
        return x

    def feature(self, x, level):
        """Notes `x` as the last activation at stride 2 ** level."""
        self.features[f"C{level}"] = x
        return x
