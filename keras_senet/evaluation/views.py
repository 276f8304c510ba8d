"""Views: the crops of an image over which a network's answer is averaged."""

import numpy as np

from keras_senet.data.decoding import decode

# Short sides of `multi`, as parts of that of `center`: 256, 288, 320 and 352
# for 224 of 256 (Szegedy et al. 2015, section 7).
SCALES = (1, 9 / 8, 10 / 8, 11 / 8)


def center(
    data,
    size: tuple[int, int],
    crop: float = 0.875,
    interpolation: str = "bilinear",
):
    """Cuts the centre out of an image, resized by its short side.

    Args:
        data: scalar string tensor, the content of an image file; or an image,
            uint8.
        size: height and width of a crop in pixels.
        crop: part of the resized image that a crop keeps along the side that
            fits tighter: 0.875 is 224 of 256 pixels or 320 of 365, 299 / 352
            is 299 of 352. Defaults to `0.875`.
        interpolation: `"bilinear"` or `"bicubic"`. Defaults to `"bilinear"`.

    Returns:
        Tensor of shape `(1, *size, channels)`, uint8.
    """
    image = _resized(data, size, crop, interpolation)
    return _cut(image, size, [(1 / 2, 1 / 2)])


def ten(
    data,
    size: tuple[int, int],
    crop: float = 0.875,
    interpolation: str = "bilinear",
):
    """Cuts the corners and the centre out of an image, and mirrors them.

    The ten crops of Krizhevsky et al. 2012, section 4.1, of the whole image as
    everybody has taken them since, where they took a square out of its middle
    first.

    Args:
        data: as for `center`.
        size: as for `center`.
        crop: as for `center`. Defaults to `0.875`.
        interpolation: as for `center`. Defaults to `"bilinear"`.

    Returns:
        Tensor of shape `(10, *size, channels)`, uint8: the corners (top left,
        top right, bottom left, bottom right), the centre, and their mirror
        images in the same order.
    """
    import tensorflow as tf

    image = _resized(data, size, crop, interpolation)
    places = [(0, 0), (0, 1), (1, 0), (1, 1), (1 / 2, 1 / 2)]
    crops = _cut(image, size, places)
    return tf.concat([crops, tf.reverse(crops, [2])], 0)


def multi(
    data,
    size: tuple[int, int],
    crop: float = 0.875,
    interpolation: str = "bilinear",
):
    """Cuts ten crops out of an image at each of four sizes.

    The paper's ILSVRC entry used "a standard multi-scale and multi-crop fusion
    strategy" (Hu et al. 2019, section 5.1) and says no more of it. Taken here
    are the two standards together: the ten crops at the four short sides of
    Szegedy et al. 2015. At these sizes a crop of a network's own size shows
    objects from as large as in training down to 11/8 of that, so that any
    network can do it, also one that is not fully convolutional.

    Args:
        data: as for `center`.
        size: as for `center`.
        crop: as for `center`, at the smallest size. Defaults to `0.875`.
        interpolation: as for `center`. Defaults to `"bilinear"`.

    Returns:
        Tensor of shape `(40, *size, channels)`, uint8: those of `ten` per size,
        the smallest first.
    """
    import tensorflow as tf

    image = decode(data)
    return tf.concat(
        [ten(image, size, crop / scale, interpolation) for scale in SCALES], 0
    )


# What `views` names.
VIEWS = {"center": center, "ten": ten, "multi": multi}


def _resized(data, size, crop, interpolation):
    """An image of which crops of a size keep a part along the tighter side."""
    import tensorflow as tf

    image = decode(data)
    target = tuple(int(np.floor(side / crop + 1e-6)) for side in size)
    if tuple(image.shape[:2]) == target:
        return image
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.reduce_max(tf.constant(target, tf.float32) / shape)
    sides = tf.maximum(tf.cast(tf.round(shape * scale), tf.int32), target)
    image = tf.image.resize(image, sides, interpolation, antialias=True)
    return tf.saturate_cast(tf.round(image), tf.uint8)


def _cut(image, size, places):
    """Crops at places that say what part of the margin is before the crop."""
    import tensorflow as tf

    margin = tf.cast(tf.shape(image)[:2] - size, tf.float32)
    corners = tf.cast(tf.floor(margin * tf.constant(places)), tf.int32)
    return tf.stack(
        [
            tf.slice(image, [*tf.unstack(corner), 0], [*size, image.shape[-1]])
            for corner in tf.unstack(corners)
        ]
    )
