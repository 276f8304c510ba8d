"""AlexNet in its one-tower form (Krizhevsky 2014, arXiv:1404.5997)."""

# Kernel, stride and padding of each convolution, as in torchvision/alexnet.py.
CONVOLUTIONS = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
# The convolutions that a 3x3 max pool of stride 2 follows.
POOLED = (1, 2, 5)


def alexnet(blocks, x):
    """The body of AlexNet; SE after the ReLU of each convolution.

    Args:
        blocks: the `Blocks` of the network.
        x: tensor of images, normalised.

    Returns:
        Tensor, the last max pool.
    """
    network = blocks.network
    # log2 of the stride: conv1 has stride 4, and each pool doubles it.
    level = 2
    for stage, width, (size, strides, padding) in zip(
        network.stages, network.widths, CONVOLUTIONS, strict=True
    ):
        name = f"conv{stage}"
        x = blocks.pad(x, padding, name=f"{name}_pad")
        x = blocks.conv(
            x,
            width,
            size,
            strides=strides,
            padding="valid",
            use_bias=True,
            name=name,
        )
        x = blocks.relu(x, name=name)
        x = blocks.squeeze_excite(x, stage=stage, name=name)
        blocks.feature(x, level)
        if stage in POOLED:
            x = blocks.pool(x, "max", 3, strides=2, name=f"pool{stage}")
            level += 1
    return blocks.feature(x, level)
