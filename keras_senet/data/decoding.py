"""Image files decoded in TensorFlow, as Pillow does it."""

import io

import numpy as np

from keras_senet.data.images import read_image

# Bytes of a PNG in which EXIF begins, if it has any: before its pixels.
PNG_HEAD = 2**13


def decode(data):
    """Decodes an image upright, as Pillow does but for rounding.

    Args:
        data: scalar string tensor, the content of an image file; or an image,
            uint8.

    Returns:
        Tensor of shape `(height, width, channels)`, uint8; three channels of a
        file.
    """
    import tensorflow as tf

    if data.dtype != tf.string:
        return data
    # The accurate way: TensorFlow's own default is up to nine of 255 away from
    # Pillow's.
    image = tf.cond(
        tf.io.is_jpeg(data),
        lambda: tf.io.decode_jpeg(data, 3, dct_method="INTEGER_ACCURATE"),
        lambda: decode_other(data),
    )
    return upright(image, data)


def upright(image, data):
    """Turns an image as its file says that the camera was held.

    Args:
        image: uint8 tensor of shape `(height, width, 3)`, pixels of the file.
        data: scalar string tensor, the content of the file.

    Returns:
        The image, upright.
    """
    import tensorflow as tf

    signature = (
        tf.TensorSpec((None, None, 3), tf.uint8),
        tf.TensorSpec((), tf.string),
    )
    branches = [
        tf.function(branch, input_signature=signature, autograph=False)
        for branch in (
            lambda image, data: turn(image, orientation(data)),
            lambda image, data: tf.identity(image),
        )
    ]
    turned, same = (branch.get_concrete_function() for branch in branches)
    head = tf.strings.substr(data, 0, 64)
    # As calls of functions. tf.cond makes one graph of both branches, whose
    # idle operations cost a tenth of reading an image.
    image = tf.raw_ops.StatelessIf(
        cond=tf.strings.regex_full_match(head, r"\C*Exif\C*"),
        input=[image, data],
        Tout=[tf.uint8],
        then_branch=turned,
        else_branch=same,
    )[0]
    return tf.ensure_shape(image, (None, None, 3))


def decode_other(data):
    """Decodes a file that is no JPEG, upright.

    By Pillow, unless it is a PNG without EXIF: TensorFlow does not turn images,
    takes the indices of a BMP's palette for colours, and fails at WebP files
    with transparency or several images.

    Args:
        data: scalar string tensor, the content of an image file.

    Returns:
        Tensor of shape `(height, width, 3)`, uint8.
    """
    import tensorflow as tf

    is_png = tf.strings.substr(data, 0, 8) == b"\x89PNG\r\n\x1a\n"
    head = tf.strings.substr(data, 0, PNG_HEAD)
    has_exif = tf.strings.regex_full_match(head, r"\C*eXIf\C*")
    return tf.cond(
        is_png & ~has_exif,
        lambda: tf.io.decode_png(data, 3),
        lambda: tf.ensure_shape(
            tf.numpy_function(_read, [data], tf.uint8), (None, None, 3)
        ),
    )


def _read(content):
    # Bytes, or outside of a graph an array that holds them.
    content = np.asarray(content, object).item()
    return np.asarray(read_image(io.BytesIO(content)))


def orientation(data):
    """Reads from a JPEG how the camera was held.

    Args:
        data: scalar string tensor, the content of an image file.

    Returns:
        Scalar int32 tensor, the orientation of EXIF from 1 to 8; 1 where the
        file says nothing, or is no JPEG.
    """
    import tensorflow as tf

    head = tf.strings.substr(data, 0, 1024)
    # Right after the start of the file, or after a segment of Adobe or JFIF.
    padded = head + b" " * 28
    places = (6, 22, 24)
    has_exif = tf.reduce_any(
        [tf.strings.substr(padded, place, 4) == b"Exif" for place in places]
    )
    return tf.cond(
        tf.io.is_jpeg(data) & has_exif,
        lambda: _read_orientation(head),
        lambda: tf.constant(1),
    )


def _read_orientation(head):
    import tensorflow as tf

    head = tf.io.decode_raw(head, tf.uint8)
    found = tf.ones((), tf.int32)
    # The entry in both byte orders: tag, type, number of values (EXIF 2.3,
    # section 4.6.2), then the value, whose byte is at `at`.
    for entry, at in (
        ([0x01, 0x12, 0, 3, 0, 0, 0, 1], 9),
        ([0x12, 0x01, 3, 0, 1, 0, 0, 0], 8),
    ):
        count = tf.maximum(tf.size(head) - 12, 0)
        matches = tf.reduce_all(
            [head[k : k + count] == value for k, value in enumerate(entry)], 0
        )
        values = tf.cast(head[at : at + count], tf.int32)
        values = tf.where(matches & (values <= 8), values, 0)
        value = tf.reduce_max(tf.concat([values, [0]], 0))
        found = tf.where(value > 0, value, found)
    return found


def turn(image, orientation):
    """Turns an image upright.

    Args:
        image: tensor of shape `(height, width, channels)`.
        orientation: scalar int32 tensor, see `orientation`.

    Returns:
        The image as it was seen (EXIF 2.3, section 4.6.4).
    """
    import tensorflow as tf

    # Of the turned image: mirrored left to right, upside down, and whether rows
    # and columns are exchanged before.
    turns = [
        (columns, rows, exchanged)
        for exchanged, pairs in (
            (False, ((0, 0), (1, 0), (1, 1), (0, 1))),
            (True, ((0, 0), (1, 0), (1, 1), (0, 1))),
        )
        for columns, rows in pairs
    ]

    def turned(columns, rows, exchanged):
        axes = [1] * columns + [0] * rows
        result = tf.transpose(image, (1, 0, 2)) if exchanged else image
        return tf.reverse(result, axes) if axes else result

    return tf.switch_case(
        orientation - 1, [lambda one=one: turned(*one) for one in turns]
    )
