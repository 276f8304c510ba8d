"""Inception-ResNet-v2 (Szegedy et al. 2017, arXiv:1602.07261).

The graph is that of keras/applications/inception_resnet_v2.py. The authors of
SENet never released theirs; SE stands on the branch before the sum (section
3.3), which is the output of a block's last 1x1 convolution.
"""

from keras import layers

# Per stage: name and count, factor on the branch, and its columns, each a list
# of (channels, kernel).
BLOCKS = {
    1: (
        "block35",
        0.17,
        (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))),
    ),
    2: (
        "block17",
        0.1,
        (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1)))),
    ),
    3: ("block8", 0.2, (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1))))),
}
# What comes before a stage's blocks: columns as above, and the pool beside
# them. The last convolution of a column strides in mixed_6a and mixed_7a.
MIXED = {
    1: (
        "mixed_5b",
        (((96, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3))),
    ),
    2: ("mixed_6a", (((384, 3),), ((256, 1), (256, 3), (384, 3)))),
    3: (
        "mixed_7a",
        (
            ((256, 1), (384, 3)),
            ((256, 1), (288, 3)),
            ((256, 1), (288, 3), (320, 3)),
        ),
    ),
}


def inception_resnet(blocks, x):
    """The body of Inception-ResNet-v2.

    Args:
        blocks: the `Blocks` of the network.
        x: tensor of images, normalised.

    Returns:
        Tensor, the last activation.
    """
    network = blocks.network
    x = stem(blocks, x)
    for stage, depth in zip(network.stages, network.depths, strict=True):
        x = mixed(blocks, x, stage)
        name, scale, columns = BLOCKS[stage]
        for index in range(1, depth + 1):
            # The very last block is not scaled and has no ReLU.
            last = stage == network.stages[-1] and index == depth
            x = block(
                blocks,
                x,
                columns,
                scale=1.0 if last else scale,
                activate=not last,
                stage=stage,
                name=f"{name}_{index}",
            )
        x = blocks.feature(x, stage + 2)
    x = _conv_norm_relu(blocks, x, 1536, 1, name="conv_7b")
    return blocks.feature(x, 5)


def stem(blocks, x):
    """Convolutions and pools without padding, to a map of stride 8."""
    x = _conv_norm_relu(
        blocks, x, 32, 3, strides=2, padding="valid", name="conv1_1"
    )
    x = _conv_norm_relu(blocks, x, 32, 3, padding="valid", name="conv1_2")
    x = _conv_norm_relu(blocks, x, 64, 3, name="conv1_3")
    x = blocks.pool(x, "max", 3, strides=2, name="pool1")
    x = _conv_norm_relu(blocks, x, 80, 1, name="conv2_1")
    x = _conv_norm_relu(blocks, x, 192, 3, padding="valid", name="conv2_2")
    x = blocks.feature(x, 2)
    return blocks.pool(x, "max", 3, strides=2, name="pool2")


def mixed(blocks, x, stage):
    """The module that opens a stage; the second and third halve the map."""
    name, columns = MIXED[stage]
    if stage == 1:
        outputs = _columns(blocks, x, columns, name=name)
        # Keras' "same" average leaves the padding out of the count.
        y = blocks.pool(x, "avg", 3, strides=1, padding="same", name=name)
        y = _conv_norm_relu(blocks, y, 64, 1, name=f"{name}_pool_proj")
    else:
        outputs = _columns(
            blocks, x, columns, name=name, strides=2, padding="valid"
        )
        y = blocks.pool(x, "max", 3, strides=2, name=name)
    return blocks.concatenate([*outputs, y], name=name)


def block(blocks, x, columns, *, scale, activate, stage, name):
    """A residual block: its branch is scaled down before the sum."""

    def branch(y):
        outputs = _columns(blocks, y, columns, name=name)
        y = blocks.concatenate(outputs, name=name)
        width = blocks.channels(x)
        y = blocks.conv(y, width, 1, use_bias=True, name=f"{name}_up")
        return layers.Rescaling(
            scale, dtype=blocks.dtype, name=f"{name}_scale"
        )(y)

    x = blocks.residual(x, branch, x, stage=stage, name=name)
    if activate:
        x = blocks.relu(x, name=name)
    return blocks.at("post", x, stage=stage, name=name)


def _columns(blocks, x, columns, *, name, **last_options):
    """The columns of a module; the options are those of the last layers."""
    outputs = []
    for number, column in enumerate(columns):
        y = x
        for index, (width, size) in enumerate(column, start=1):
            options = last_options if index == len(column) else {}
            y = _conv_norm_relu(
                blocks,
                y,
                width,
                size,
                name=f"{name}_branch{number}_{index}",
                **options,
            )
        outputs.append(y)
    return outputs


def _conv_norm_relu(blocks, x, width, size, *, name, **options):
    x = blocks.conv(x, width, size, name=name, **options)
    # No gamma, as in Keras: the ReLU and the next kernel can hold it.
    x = blocks.norm(x, scale=False, name=name)
    return blocks.relu(x, name=name)
