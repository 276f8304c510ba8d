"""ResNet, ResNeXt, SENet-154 and the CIFAR ResNets: residual stages.

He et al. 2015 (arXiv:1512.03385), He et al. 2016 (arXiv:1603.05027), Xie et
al. 2017 (arXiv:1611.05431), Zagoruyko and Komodakis 2016 (arXiv:1605.07146),
and Hu et al. 2019 for SENet-154; layer by layer as the authors' Caffe files.
"""

from keras import layers


def resnet(blocks, x):
    """The body of a residual network.

    Args:
        blocks: the `Blocks` of the network.
        x: tensor of images, normalised.

    Returns:
        Tensor, the last activation.
    """
    network = blocks.network
    preact = network.block.startswith("preact")
    x, level = STEMS[network.stem](blocks, x)
    for stage, depth, width in zip(
        network.stages, network.depths, network.widths, strict=True
    ):
        for index in range(depth):
            # Every stage but the first halves the map in its first block.
            halve = index == 0 and stage != network.stages[0]
            x = BLOCKS[network.block](
                blocks,
                x,
                width,
                strides=2 if halve else 1,
                stage=stage,
                name=f"conv{stage}_block{index + 1}",
            )
        last = stage == network.stages[-1]
        if preact and last:
            x = blocks.norm_relu(x, name="post")
        x = blocks.feature(x, level)
        level += 1
    return x


def stem_7x7(blocks, x):
    """One convolution and a max pool (He et al. 2015, Table 1)."""
    x = blocks.conv_norm_relu(x, 64, 7, strides=2, name="conv1")
    return blocks.halving_max_pool(x, name="pool1"), 2


def stem_deep(blocks, x):
    """Three 3x3 convolutions (SENet-154.prototxt, conv1_1 to conv1_3)."""
    x = blocks.conv_norm_relu(x, 64, 3, strides=2, name="conv1_1")
    x = blocks.conv_norm_relu(x, 64, 3, name="conv1_2")
    x = blocks.conv_norm_relu(x, 128, 3, name="conv1_3")
    return blocks.halving_max_pool(x, name="pool1"), 2


def stem_3x3(blocks, x):
    """One convolution at full size, for 32x32 images (He et al. 2015, 4.2)."""
    if blocks.network.block.startswith("preact"):
        return blocks.conv(x, 16, 3, name="conv1"), 0
    return blocks.conv_norm_relu(x, 16, 3, name="conv1"), 0


STEMS = {"7x7": stem_7x7, "deep": stem_deep, "3x3": stem_3x3}


def basic(blocks, x, width, *, strides, stage, name):
    """Two 3x3 convolutions; batch normalisation and ReLU after each."""

    def branch(y):
        y = blocks.conv_norm_relu(
            y, width, 3, strides=strides, name=f"{name}_1"
        )
        y = blocks.at("3x3", y, stage=stage, name=name)
        y = blocks.conv(y, width, 3, name=f"{name}_2")
        return blocks.norm(y, name=f"{name}_2")

    return _post_activation(blocks, x, branch, width, strides, stage, name)


def bottleneck(blocks, x, width, *, strides, stage, name):
    """1x1, 3x3 (grouped in ResNeXt) and 1x1 convolutions."""
    network = blocks.network
    inner = inner_width(network, width)
    reduced = inner // 2 if network.half_reduce else inner
    # SE-ResNet-50.prototxt strides in the reducing 1x1, SE-ResNeXt-50 and
    # SENet-154 in the 3x3.
    first = strides if network.stride_on == "1x1" else 1

    def branch(y):
        y = blocks.conv_norm_relu(
            y, reduced, 1, strides=first, name=f"{name}_1"
        )
        y = blocks.conv_norm_relu(
            y,
            inner,
            3,
            strides=strides // first,
            groups=network.cardinality,
            name=f"{name}_2",
        )
        y = blocks.at("3x3", y, stage=stage, name=name)
        y = blocks.conv(y, width, 1, name=f"{name}_3")
        return blocks.norm(y, name=f"{name}_3")

    return _post_activation(blocks, x, branch, width, strides, stage, name)


def inner_width(network, width):
    """Width of a bottleneck's 3x3 convolution (Xie et al. 2017, Table 1)."""
    return width // 4 * network.base_width // 64 * network.cardinality


def _post_activation(blocks, x, branch, width, strides, stage, name):
    shortcut = x
    if strides > 1 or blocks.channels(x) != width:
        shortcut = project(blocks, x, width, strides, f"{name}_0")
    x = blocks.residual(x, branch, shortcut, stage=stage, name=name)
    x = blocks.relu(x, name=name)
    return blocks.at("post", x, stage=stage, name=name)


def project(blocks, x, width, strides, name):
    """The shortcut where the shape changes, as the record says."""
    if blocks.network.projection == "zero-pad":
        return zero_pad(blocks, x, width, strides, name)
    # SENet-154.prototxt: 3x3 with stride 2, but 1x1 in the first stage.
    size = 3 if blocks.network.projection == "3x3" and strides > 1 else 1
    x = blocks.conv(x, width, size, strides=strides, name=name)
    return blocks.norm(x, name=name)


def zero_pad(blocks, x, width, strides, name):
    """Option A (He et al. 2015, 4.2): every second pixel, zero channels."""
    x = blocks.pool(x, "avg", 1, strides=strides, name=name)
    missing = width - blocks.channels(x)
    before, after = missing // 2, missing - missing // 2
    # ZeroPadding2D pads two neighbouring axes. Reading the map in the other
    # data format makes the channels one of them.
    if blocks.data_format == "channels_last":
        padding, data_format = ((0, 0), (before, after)), "channels_first"
    else:
        padding, data_format = ((before, after), (0, 0)), "channels_last"
    return layers.ZeroPadding2D(
        padding, data_format=data_format, dtype=blocks.dtype, name=f"{name}_pad"
    )(x)


def preact_basic(blocks, x, width, *, strides, stage, name):
    """Wide residual block: normalisation and ReLU before each convolution."""

    def branch(y):
        y = blocks.conv(y, width, 3, strides=strides, name=f"{name}_1")
        y = blocks.at("3x3", y, stage=stage, name=name)
        y = blocks.norm_relu(y, name=f"{name}_2")
        return blocks.conv(y, width, 3, name=f"{name}_2")

    return _pre_activation(blocks, x, branch, width, strides, stage, name)


def preact_bottleneck(blocks, x, width, *, strides, stage, name):
    """He et al. 2016: the stride lies in the first 1x1 convolution."""
    inner = inner_width(blocks.network, width)

    def branch(y):
        y = blocks.conv(y, inner, 1, strides=strides, name=f"{name}_1")
        y = blocks.norm_relu(y, name=f"{name}_2")
        y = blocks.conv(y, inner, 3, name=f"{name}_2")
        y = blocks.at("3x3", y, stage=stage, name=name)
        y = blocks.norm_relu(y, name=f"{name}_3")
        return blocks.conv(y, width, 1, name=f"{name}_3")

    return _pre_activation(blocks, x, branch, width, strides, stage, name)


def _pre_activation(blocks, x, branch, width, strides, stage, name):
    """The sum of a pre-activation block.

    A projection starts from the activated map, an identity from the raw one
    (He et al. 2016, resnet-pre-act.lua). The "pre" design gates the activated
    map, which is what the branch's convolutions see.
    """
    activated = blocks.norm_relu(x, name=f"{name}_1")
    shortcut = x
    if strides > 1 or blocks.channels(x) != width:
        shortcut = blocks.conv(
            activated, width, 1, strides=strides, name=f"{name}_0"
        )
    x = blocks.residual(activated, branch, shortcut, stage=stage, name=name)
    return blocks.at("post", x, stage=stage, name=name)


BLOCKS = {
    "basic": basic,
    "bottleneck": bottleneck,
    "preact_basic": preact_basic,
    "preact_bottleneck": preact_bottleneck,
}
