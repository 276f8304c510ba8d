"""ShuffleNet (Zhang et al. 2018, arXiv:1707.01083).

As the weights of osmr/imgclsmob (shufflenet.py) have it: the channels are
shuffled before the depthwise convolution, a unit of stride 2 concatenates the
branch before its pooled input, and a ReLU follows every sum or concatenation.
"""

from keras_senet.layers import ChannelShuffle


def shufflenet(blocks, x):
    """The body of ShuffleNet; SE at the end of the branch of stride-1 units.

    Gates on these 13 units give the paper's 2.4 million parameters (Table
    3); on all 16 it would be 2.5.

    Args:
        blocks: the `Blocks` of the network.
        x: tensor of images, normalised.

    Returns:
        Tensor, the last activation.
    """
    network = blocks.network
    x = blocks.conv_norm_relu(x, 24, 3, strides=2, name="conv1")
    x = blocks.halving_max_pool(x, name="pool1")
    x = blocks.feature(x, 2)
    for stage, depth, width in zip(
        network.stages, network.depths, network.widths, strict=True
    ):
        for index in range(depth):
            x = unit(
                blocks,
                x,
                width,
                strides=2 if index == 0 else 1,
                # The stem is too narrow to be grouped (section 3.2).
                group_first=not (index == 0 and stage == network.stages[0]),
                stage=stage,
                name=f"stage{stage}_block{index + 1}",
            )
        # Stage 2 ends at stride 8.
        x = blocks.feature(x, stage + 1)
    return x


def unit(blocks, x, width, *, strides, group_first, stage, name):
    """A ShuffleNet unit (Fig. 2 b and c of arXiv:1707.01083)."""
    groups = blocks.network.cardinality
    inner = width // 4

    def branch(y):
        y = blocks.conv_norm_relu(
            y,
            inner,
            1,
            groups=groups if group_first else 1,
            name=f"{name}_1",
        )
        y = ChannelShuffle(
            groups,
            axis=blocks.channel_axis,
            dtype=blocks.dtype,
            name=f"{name}_shuffle",
        )(y)
        y = blocks.depthwise(y, 3, strides=strides, name=f"{name}_2")
        y = blocks.norm(y, name=f"{name}_2")
        if strides == 1:
            y = blocks.at("3x3", y, stage=stage, name=name)
        # The concatenated input makes up the rest of a stride-2 unit's width.
        out = width if strides == 1 else width - blocks.channels(x)
        y = blocks.conv(y, out, 1, groups=groups, name=f"{name}_3")
        return blocks.norm(y, name=f"{name}_3")

    if strides == 1:
        y = blocks.residual(x, branch, x, stage=stage, name=name)
        y = blocks.relu(y, name=name)
        return blocks.at("post", y, stage=stage, name=name)
    shortcut = blocks.pad(x, 1, name=f"{name}_0_pad")
    shortcut = blocks.pool(shortcut, "avg", 3, strides=2, name=f"{name}_0")
    y = blocks.concatenate([branch(x), shortcut], name=name)
    return blocks.relu(y, name=name)
