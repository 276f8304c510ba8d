"""MobileNet (Howard et al. 2017, arXiv:1704.04861) as keras.applications."""


def mobilenet(blocks, x):
    """The body of MobileNet; SE on the pointwise output of every block.

    The place is that which gives the paper's 4.7 million parameters (Table
    3); on the depthwise output it would be 4.6.

    Args:
        blocks: the `Blocks` of the network.
        x: tensor of images, normalised.

    Returns:
        Tensor, the last activation.
    """
    network = blocks.network
    first, *strides = network.strides
    # "same" is Keras' own, which keras/applications/mobilenet.py uses here.
    x = _conv_norm_relu6(
        blocks,
        x,
        int(32 * network.alpha),
        3,
        strides=first,
        padding="same",
        name="conv1",
    )
    index, level = 0, first - 1
    for stage, depth, width, stride in zip(
        network.stages, network.depths, network.widths, strides, strict=True
    ):
        level += stride - 1
        for position in range(depth):
            index += 1
            x = separable(
                blocks,
                x,
                int(width * network.alpha),
                strides=stride if position == 0 else 1,
                name=f"block{index}",
            )
            x = blocks.squeeze_excite(x, stage=stage, name=f"block{index}")
        x = blocks.feature(x, level)
    return x


def separable(blocks, x, width, *, strides, name):
    """A depthwise and a pointwise convolution."""
    depthwise = f"{name}_depthwise"
    padding = "half"
    if strides > 1:
        # After, not before (keras/applications/mobilenet.py, conv_pad_%d).
        x = blocks.pad(x, ((0, 1), (0, 1)), name=f"{depthwise}_pad")
        padding = "valid"
    x = blocks.depthwise(x, 3, strides=strides, padding=padding, name=depthwise)
    x = blocks.norm(x, name=depthwise)
    x = blocks.relu(x, max_value=6.0, name=depthwise)
    return _conv_norm_relu6(blocks, x, width, 1, name=f"{name}_pointwise")


def _conv_norm_relu6(blocks, x, width, size, *, name, **options):
    x = blocks.conv(x, width, size, name=name, **options)
    return blocks.relu(blocks.norm(x, name=name), max_value=6.0, name=name)
