"""RandAugment (Cubuk et al. 2020) for one image at a time, in TensorFlow.

Of its fourteen operations only those that an image gets are computed. They and
their strengths are torchvision's (`torchvision.transforms.RandAugment`), which
are Pillow's to the byte.
"""

import functools
import math

from keras_senet.checks import integer

# Strength 30 of: degrees, part of a side, part of a side, factor.
ROTATION, SHEAR, TRANSLATION, FACTOR = 30.0, 0.3, 150 / 331, 0.9
STRONGEST = 30


def rand_augment(image, seed, count: int = 2, magnitude: int = 9):
    """Applies operations drawn at random to an image.

    Args:
        image: uint8 tensor of shape `(height, width, 3)`, all known.
        seed: two integers that decide which, and in which direction.
        count: number of operations. Defaults to `2`.
        magnitude: integer from 0 to 30, their strength. Defaults to `9`.

    Returns:
        Tensor like `image`.

    Raises:
        ValueError: for another count, magnitude, type or shape.

    Example:

    >>> import functools
    >>> batches = image_folder("photos/train", augment=rand_augment)
    >>> strong = functools.partial(rand_augment, magnitude=15)
    >>> batches = image_folder("photos/train", augment=strong)
    """
    import tensorflow as tf

    count = integer("count", count, 0)
    magnitude = integer("magnitude", magnitude, 0, STRONGEST)
    image = tf.convert_to_tensor(image)
    known = image.shape.is_fully_defined() and image.shape.rank == 3
    if image.dtype != tf.uint8 or not known or image.shape[-1] != 3:
        raise ValueError(
            f"`image` is {image.dtype.name} of shape {image.shape}. Allowed: "
            "uint8 of shape (height, width, 3), one image that is cut to a "
            "known size."
        )
    names = list(OPERATIONS)
    drawn = tf.random.stateless_uniform((2, count), seed)
    for k in range(count):
        which = tf.cast(drawn[0, k] * len(names), tf.int32)
        sign = tf.where(drawn[1, k] < 0.5, -1.0, 1.0)
        # As a call of one function. tf.switch_case makes one graph of all
        # branches, whose idle operations cost as much as the busy ones.
        image = tf.ensure_shape(
            tf.raw_ops.StatelessCase(
                branch_index=tf.minimum(which, len(names) - 1),
                input=[image, sign],
                Tout=[tf.uint8],
                branches=[
                    _function(name, magnitude, tuple(image.shape))
                    for name in names
                ],
            )[0],
            image.shape,
        )
    return image


# One of every operation; a caller without a graph of its own traces none anew.
@functools.lru_cache(maxsize=256)
def _function(name, magnitude, shape):
    import tensorflow as tf

    @tf.function(
        input_signature=(
            tf.TensorSpec(shape, tf.uint8),
            tf.TensorSpec((), tf.float32),
        ),
        autograph=False,
    )
    def operation(image, sign):
        return augment(image, name, magnitude, sign)

    return operation.get_concrete_function()


def augment(image, operation: str, magnitude: int = 9, sign: float = 1.0):
    """Applies one operation of `OPERATIONS` to an image.

    Args:
        image: uint8 tensor of shape `(height, width, 3)`.
        operation: its name.
        magnitude: integer from 0 to 30, its strength. Defaults to `9`.
        sign: -1 or 1, the direction where it has two. Defaults to `1`.

    Returns:
        Tensor like `image`.
    """
    import tensorflow as tf

    shape = image.shape
    strength = magnitude / STRONGEST
    image = OPERATIONS[operation](image, strength, sign)
    return tf.ensure_shape(image, shape)


def _identity(image, strength, sign):
    return image


def _float(image):
    import tensorflow as tf

    return tf.cast(image, tf.float32)


def _blend(start, values, factor):
    """From one image over another and beyond, in bytes as Pillow rounds."""
    import tensorflow as tf

    blended = start + (values - start) * factor
    return tf.cast(tf.clip_by_value(blended, 0.0, 255.0), tf.uint8)


def _factor(strength, sign):
    return 1.0 + FACTOR * strength * sign


def _brightness(image, strength, sign):
    return _blend(0.0, _float(image), _factor(strength, sign))


def _contrast(image, strength, sign):
    import tensorflow as tf

    values = _float(image)
    mean = tf.floor(tf.reduce_mean(_grey(values)) + 0.5)
    return _blend(mean, values, _factor(strength, sign))


def _grey(values):
    """Luminance as Pillow has it: ITU-R 601-2 in 16 bits, which floats hold."""
    import tensorflow as tf

    red, green, blue = tf.split(values, 3, axis=-1)
    weighted = 19595.0 * red + 38470.0 * green + 7471.0 * blue
    return tf.floor((weighted + 0x8000) / 0x10000)


def _color(image, strength, sign):
    values = _float(image)
    return _blend(_grey(values), values, _factor(strength, sign))


def _sharpness(image, strength, sign):
    import tensorflow as tf

    # Pillow's SMOOTH: nine neighbours with 1 and the centre with 5, of 13; it
    # leaves the border as it is, which may be all.
    if min(image.shape[:2]) < 3:
        return image
    values = _float(image)
    rows = values[:-2] + values[1:-1] + values[2:]
    box = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    smooth = tf.floor((box + 4.0 * values[1:-1, 1:-1]) / 13.0 + 0.5)
    inside = _blend(smooth, values[1:-1, 1:-1], _factor(strength, sign))
    middle = tf.concat([image[1:-1, :1], inside, image[1:-1, -1:]], 1)
    return tf.concat([image[:1], middle, image[-1:]], 0)


def _posterize(image, strength, sign):
    import tensorflow as tf

    bits = 8 - round(4 * strength)
    return tf.bitwise.bitwise_and(
        image, tf.constant(256 - 2 ** (8 - bits), tf.uint8)
    )


def _solarize(image, strength, sign):
    import tensorflow as tf

    values = _float(image)
    inverted = _float(values >= 255.0 * (1 - strength))
    return tf.cast(values + inverted * (255.0 - 2.0 * values), tf.uint8)


def _autocontrast(image, strength, sign):
    import tensorflow as tf

    values = _float(image)
    # Along columns first, which are long vectors.
    low = tf.reduce_min(tf.reduce_min(values, 0), 0)
    high = tf.reduce_max(tf.reduce_max(values, 0), 0)
    stretches = high > low
    scale = tf.where(stretches, 255.0 / tf.maximum(high - low, 1.0), 1.0)
    low = tf.where(stretches, low, 0.0)
    # A little more, since Pillow counts in 64 bits before it rounds down.
    return tf.cast((values - low) * scale + 1e-4, tf.uint8)


def _equalize(image, strength, sign):
    import tensorflow as tf

    # One histogram and one table of three times 256 values.
    places = tf.cast(image, tf.int32) + tf.constant([0, 256, 512])
    histogram = tf.reshape(
        tf.raw_ops.Bincount(
            arr=places, size=768, weights=tf.zeros((0,), tf.int32)
        ),
        (3, 256),
    )
    # The highest value that occurs has all of its pixels above the last step.
    last = 255 - tf.argmax(
        tf.reverse(histogram > 0, [1]), axis=1, output_type=tf.int32
    )
    last = tf.gather(histogram, last[:, None], batch_dims=1)
    step = (tf.reduce_sum(histogram, 1, keepdims=True) - last) // 255
    below = tf.cumsum(histogram, axis=1, exclusive=True)
    table = tf.minimum((below + step // 2) // tf.maximum(step, 1), 255)
    table = tf.where(step > 0, table, tf.range(256)[None])
    return tf.gather(tf.reshape(tf.cast(table, tf.uint8), [-1]), places)


def _affine(image, matrix):
    """Each pixel from where `matrix` puts it, black from outside.

    Args:
        image: the image.
        matrix: a, b, c, d, e, f: the pixel at (x, y) comes from
            (a x + b y + c, d x + e y + f), counted from the middle.
    """
    import tensorflow as tf

    a, b, c, d, e, f = (tf.cast(value, tf.float32) for value in matrix)
    height, width = image.shape[:2]
    x, y = (width - 1) / 2, (height - 1) / 2
    transform = tf.stack(
        [a, b, c + x - a * x - b * y, d, e, f + y - d * x - e * y, 0.0, 0.0]
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=transform[None],
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )[0]


def _rotate(image, strength, sign):
    import tensorflow as tf

    angle = math.radians(ROTATION * strength) * sign
    cos, sin = tf.cos(angle), tf.sin(angle)
    return _affine(image, (cos, -sin, 0.0, sin, cos, 0.0))


def _shear_x(image, strength, sign):
    return _affine(image, (1.0, SHEAR * strength * sign, 0.0, 0.0, 1.0, 0.0))


def _shear_y(image, strength, sign):
    return _affine(image, (1.0, 0.0, 0.0, SHEAR * strength * sign, 1.0, 0.0))


def _translate_x(image, strength, sign):
    return _shifted(
        image, 1, int(TRANSLATION * strength * image.shape[1]), sign
    )


def _translate_y(image, strength, sign):
    return _shifted(
        image, 0, int(TRANSLATION * strength * image.shape[0]), sign
    )


def _shifted(image, axis, pixels, sign):
    import tensorflow as tf

    pads = [(pixels, pixels) if k == axis else (0, 0) for k in range(3)]
    start = tf.where(sign > 0, 0, 2 * pixels)
    begin = [start if k == axis else 0 for k in range(3)]
    return tf.slice(tf.pad(image, pads), begin, image.shape)


OPERATIONS = {
    "identity": _identity,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "rotate": _rotate,
    "brightness": _brightness,
    "color": _color,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
}
