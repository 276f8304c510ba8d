"""VGG-16 with batch normalisation (Simonyan and Zisserman, arXiv:1409.1556)."""


def vgg(blocks, x):
    """The body of a VGG network; SE after every ReLU (section 3.3).

    Args:
        blocks: the `Blocks` of the network.
        x: tensor of images, normalised.

    Returns:
        Tensor, the last max pool.
    """
    network = blocks.network
    for stage, depth, width in zip(
        network.stages, network.depths, network.widths, strict=True
    ):
        for index in range(1, depth + 1):
            name = f"block{stage}_{index}"
            x = blocks.conv_norm_relu(x, width, 3, name=name)
            x = blocks.squeeze_excite(x, stage=stage, name=name)
        blocks.feature(x, stage - 1)
        x = blocks.pool(x, "max", 2, strides=2, name=f"block{stage}")
    return blocks.feature(x, stage)
