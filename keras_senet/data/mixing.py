"""Mixup and CutMix: images of a batch blended with others of it."""


def mix(images, targets, seed, mixup: float, cutmix: float):
    """Blends every image of a batch with the one at the other end of it.

    Args:
        images: tensor of shape `(batch, height, width, channels)`.
        targets: tensor of shape `(batch, classes)`.
        seed: two integers that decide by how much, and where.
        mixup: alpha of mixup (Zhang et al. 2018), 0 for none.
        cutmix: alpha of CutMix (Yun et al. 2019), 0 for none; with both a coin
            decides between them.

    Returns:
        Images (float32) and targets like those given.
    """
    import tensorflow as tf

    images = tf.cast(images, tf.float32)
    if not mixup and not cutmix:
        return images, targets
    seeds = tf.random.experimental.stateless_split(seed, 4)
    chance = 1.0 if not mixup else 0.5 if cutmix else 0.0
    cut = tf.random.stateless_uniform((), seeds[0]) < chance
    alpha = tf.where(cut, cutmix or 1.0, mixup or 1.0)
    # A beta distribution from two gamma distributions.
    one, other = tf.unstack(
        tf.random.stateless_gamma((2,), seeds[1], alpha=tf.fill((2,), alpha))
    )
    part = one / (one + other)
    height, width = (
        tf.cast(n, tf.float32) for n in tf.unstack(tf.shape(images)[1:3])
    )
    # A window of the part that goes, around any point of the image.
    center = tf.random.stateless_uniform((2,), seeds[2])
    half = tf.sqrt(1 - part) / 2
    rows = _inside(height, center[0], half)
    columns = _inside(width, center[1], half)
    window = rows[:, None] * columns[None, :]
    # Of CutMix the part that the image's border left of the window counts.
    part = tf.where(cut, 1 - tf.reduce_mean(window), part)
    weight = tf.where(cut, 1 - window, part)[None, :, :, None]
    images = weight * images + (1 - weight) * images[::-1]
    return images, part * targets + (1 - part) * targets[::-1]


def _inside(length, center, half):
    """One for the pixels of a side that lie in the window, else zero."""
    import tensorflow as tf

    low = tf.floor(tf.clip_by_value(center - half, 0, 1) * length)
    high = tf.floor(tf.clip_by_value(center + half, 0, 1) * length)
    places = tf.range(length)
    return tf.cast((places >= low) & (places < high), tf.float32)
