"""Crops of images in TensorFlow: random ones for training, and the centre.

TensorFlow's engine is the point: it decodes the part of a JPEG that a crop
keeps, at the resolution that it needs, on all cores and without Python.
"""

import numpy as np

from keras_senet.data.decoding import (
    decode,
    decode_other,
    orientation,
    turn,
)

# What a random crop keeps of an image: part of the area, and width / height
# (Szegedy et al. 2015, and every recipe for ImageNet since).
AREA = (0.08, 1.0)
ASPECT = (3 / 4, 4 / 3)
# Crops tried until one fits into the image, else its middle is taken.
ATTEMPTS = 10
# The scales at which a JPEG can be decoded.
RATIOS = (8, 4, 2, 1)


def random_crop(data, size: tuple[int, int], random):
    """Decodes a random part of an image, resized and by chance flipped.

    Args:
        data: scalar string tensor, the content of an image file; or an image,
            uint8.
        size: height and width of the result in pixels.
        random: tensor of shape `(4, ATTEMPTS)` of numbers in [0, 1) that decide
            what is random.

    Returns:
        Tensor of shape `(*size, channels)`, uint8; three channels of a file.
    """
    import tensorflow as tf

    def of_image(image):
        top, left, height, width = tf.unstack(
            _random_window(tf.shape(image), random)
        )
        return image[top : top + height, left : left + width]

    def of_jpeg():
        found = tf.image.extract_jpeg_shape(data)
        return _decode_window(data, _random_window(found, random), cut_size)

    cut_size = size
    if data.dtype == tf.string:
        held = orientation(data)
        if size[0] != size[1]:
            # An image that lies on its side is cut lying, and then turned.
            cut_size = tf.where(held > 4, tf.constant(size[::-1]), size)
        image = tf.cond(
            tf.io.is_jpeg(data), of_jpeg, lambda: of_image(decode_other(data))
        )
    else:
        image = of_image(data)
    # In float32, as the kernel's loop over it is vectorised: a third faster.
    image = tf.raw_ops.ResizeBilinear(
        images=tf.cast(image[None], "float32"),
        size=cut_size,
        half_pixel_centers=True,
    )[0]
    image = tf.cast(image + 0.5, tf.uint8)
    if data.dtype == tf.string:
        # A random part of the turned image is one of the image, turned.
        image = turn(image, held)
    image = tf.ensure_shape(image, (*size, image.shape[-1]))
    return _by_chance_flipped(image, random)


def _by_chance_flipped(image, random):
    import tensorflow as tf

    flip = random[3, 1] < 0.5
    return tf.cond(flip, lambda: tf.reverse(image, [1]), lambda: image)


def padded_crop(data, size: tuple[int, int], random):
    """Cuts a random part out of a small image with a black border, and flips.

    The border is an eighth of the size, 4 of 32 pixels, as everybody trains on
    CIFAR (He et al. 2016, section 4.2).

    Args:
        data: as for `random_crop`; of another image than one of the size of the
            result its middle is taken.
        size: height and width of the result in pixels.
        random: as for `random_crop`.

    Returns:
        As `random_crop`.
    """
    import tensorflow as tf

    image = center_crop(data, size, crop=1.0)
    pads = [side // 8 for side in size]
    padded = tf.pad(image, [*((pad, pad) for pad in pads), (0, 0)])
    corner = [
        tf.cast(random[2 + axis, 0] * (2 * pad + 1), tf.int32)
        for axis, pad in enumerate(pads)
    ]
    image = tf.slice(padded, [*corner, 0], [*size, image.shape[-1]])
    return _by_chance_flipped(image, random)


def _random_window(shape, random):
    """A random part of an image: top, left, height and width in pixels."""
    import tensorflow as tf

    height, width = tf.unstack(tf.cast(shape[:2], tf.float32))
    area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * random[0])
    low, high = np.log(ASPECT).astype("float32")
    aspect = tf.exp(low + (high - low) * random[1])
    sides = tf.round(tf.sqrt(area * tf.stack([1 / aspect, aspect])))
    fits = tf.reduce_all((sides >= 1) & (sides <= [[height], [width]]), axis=0)
    first = tf.argmax(fits)
    # Else the middle, with sides as near to the image's as allowed.
    middle = tf.stack(
        [
            tf.minimum(height, tf.round(width / ASPECT[0])),
            tf.minimum(width, tf.round(height * ASPECT[1])),
        ]
    )
    found = fits[first]
    sides = tf.where(found, sides[:, first], middle)
    place = tf.where(found, random[2:, 0], 0.5)
    corner = tf.floor(([height, width] - sides + 1) * place)
    return tf.cast(tf.concat([corner, sides], 0), tf.int32)


def center_crop(data, size: tuple[int, int], crop: float = 0.875):
    """Decodes an image, resizes it and cuts out its centre.

    Args:
        data: scalar string tensor, the content of an image file; or an image,
            uint8.
        size: height and width of the result in pixels.
        crop: part of the resized image that the crop keeps along the side that
            fits tighter. Defaults to `0.875`.

    Returns:
        Tensor of shape `(*size, channels)`, uint8; three channels of a file;
        that of `keras_senet.data.images.center_crop` but for rounding.
    """
    import tensorflow as tf

    image = decode(data)
    if tuple(image.shape[:2]) == tuple(size) and crop == 1:
        return image
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    target = [np.floor(side / crop + 1e-6) for side in size]
    scale = tf.reduce_max(tf.constant(target, tf.float32) / shape)
    resized = tf.cast(tf.round(shape * scale), tf.int32)
    resized = tf.maximum(resized, size)
    # What tf.image.resize does, of the pixels that the crop keeps alone.
    image = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=size,
        scale=tf.cast(resized, tf.float32) / shape,
        translation=-tf.cast((resized - size) // 2, tf.float32),
        kernel_type="triangle",
        antialias=True,
    )[0]
    return tf.saturate_cast(tf.round(image), tf.uint8)


def _decode_window(data, window, size):
    """The pixels of a window of a JPEG, and no more of them than are needed.

    A JPEG can be decoded at an eighth, a quarter or half of its size, which
    averages pixels as a resize with antialiasing would. The smallest that still
    has more pixels than asked for is taken.
    """
    import tensorflow as tf

    def decode(ratio):
        # The window in pixels of the reduced image, its ends to the nearest.
        corner = (window[:2] + ratio // 2) // ratio
        end = (window[:2] + window[2:] + ratio // 2) // ratio
        scaled = tf.concat([corner, tf.maximum(end - corner, 1)], 0)
        return tf.image.decode_and_crop_jpeg(
            data, scaled, channels=3, ratio=ratio
        )

    spare = tf.reduce_min(window[2:] // size)
    which = tf.argmax(spare >= RATIOS, output_type=tf.int32)
    branches = [lambda ratio=ratio: decode(ratio) for ratio in RATIOS]
    # The last also where there is nothing to spare, and argmax gives 0.
    which = tf.where(spare < 2, len(RATIOS) - 1, which)
    return tf.switch_case(which, branches)
