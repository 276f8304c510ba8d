"""BN-Inception (Ioffe and Szegedy 2015), as SE-BN-Inception.prototxt has it."""


def inception(blocks, x):
    """The body of BN-Inception; SE after the concatenation of every module.

    Args:
        blocks: the `Blocks` of the network.
        x: tensor of images, normalised.

    Returns:
        Tensor, the last activation.
    """
    x = blocks.conv_norm_relu(x, 64, 7, strides=2, name="conv1")
    x = blocks.halving_max_pool(x, name="pool1")
    x = blocks.conv_norm_relu(x, 64, 1, name="conv2_reduce")
    x = blocks.conv_norm_relu(x, 192, 3, name="conv2")
    x = blocks.feature(x, 2)
    x = blocks.halving_max_pool(x, name="pool2")
    level = 3
    for name, *columns in blocks.network.modules:
        strides = 1 if columns[0] else 2
        if strides == 2:
            level += 1
        x = module(blocks, x, *columns, strides, name=f"inception_{name}")
        x = blocks.squeeze_excite(
            x, stage=int(name[0]), name=f"inception_{name}"
        )
        x = blocks.feature(x, level)
    return x


def module(blocks, x, single, triple, double, pooled, strides, *, name):
    """Four columns side by side; a module of stride 2 has no 1x1 column."""
    columns = []
    if single:
        columns.append(blocks.conv_norm_relu(x, single, 1, name=f"{name}_1x1"))
    reduce, width = triple
    y = blocks.conv_norm_relu(x, reduce, 1, name=f"{name}_3x3_reduce")
    columns.append(
        blocks.conv_norm_relu(y, width, 3, strides=strides, name=f"{name}_3x3")
    )
    reduce, first, second = double
    y = blocks.conv_norm_relu(x, reduce, 1, name=f"{name}_double3x3_reduce")
    y = blocks.conv_norm_relu(y, first, 3, name=f"{name}_double3x3a")
    columns.append(
        blocks.conv_norm_relu(
            y, second, 3, strides=strides, name=f"{name}_double3x3b"
        )
    )
    kind, projection = pooled
    if strides == 2:
        # Two rows more than Caffe reads at even sizes make the pool as large
        # as the convolutions beside it at odd sizes, which Caffe refuses.
        columns.append(blocks.halving_max_pool(x, name=name, after=2))
    else:
        if kind == "avg":
            # Caffe's average counts the zeros it pads with; Keras' does not.
            x = blocks.pad(x, 1, name=f"{name}_pool_pad")
            x = blocks.pool(x, kind, 3, strides=1, name=name)
        else:
            x = blocks.pool(x, kind, 3, strides=1, padding="same", name=name)
        columns.append(
            blocks.conv_norm_relu(x, projection, 1, name=f"{name}_pool_proj")
        )
    return blocks.concatenate(columns, name=name)
