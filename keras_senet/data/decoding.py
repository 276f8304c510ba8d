"""Image files decoded in TensorFlow, as Pillow does it."""

import contextlib
import io

import numpy as np
from PIL import ExifTags, Image

from keras_senet.data.images import read_image

# Bytes of a PNG in which EXIF begins, if it has any: before its pixels.
PNG_HEAD = 2**13
JPEG = b"\xff\xd8"
# Bytes of a JPEG in which EXIF ends, if it begins among the first few: no
# segment has more than 64 KiB.
EXIF_END = 2**16 + 64
# Of EXIF's orientations 1 to 8: whether rows and columns are exchanged, then
# the step through the rows and through the columns (EXIF 2.3, section 4.6.4).
TURNS = tuple(
    (exchanged, *steps)
    for exchanged in (False, True)
    for steps in ((1, 1), (1, -1), (-1, -1), (-1, 1))
)


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
    return turn(image, orientation(data))


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

    # Right after the start of the file, or after a segment of Adobe or JFIF. A
    # photo without it costs this one look.
    head = tf.strings.substr(data, 0, 64)
    return tf.cond(
        tf.strings.regex_full_match(head, r"\C*Exif\C*"),
        lambda: tf.ensure_shape(
            tf.numpy_function(
                _orientation, [tf.strings.substr(data, 0, EXIF_END)], tf.int32
            ),
            (),
        ),
        lambda: tf.constant(1),
    )


def _orientation(head):
    head = np.asarray(head, object).item()
    exif = Image.Exif()
    if head.startswith(JPEG):
        # What is damaged says nothing, as where Pillow opens the file.
        with contextlib.suppress(Exception):
            exif.load(head[head.index(b"Exif\0\0") :])
            found = exif.get(ExifTags.Base.Orientation)
            if found in range(1, 9):
                return np.int32(found)
    return np.int32(1)


def turn(image, orientation):
    """Turns an image upright.

    Args:
        image: uint8 tensor of shape `(height, width, channels)`.
        orientation: scalar int32 tensor, see `orientation`.

    Returns:
        The image as it was seen (EXIF 2.3, section 4.6.4).
    """
    import tensorflow as tf

    # Out of TensorFlow's graph, where the idle operations of eight turns would
    # cost a tenth of reading an image that needs none.
    turned = tf.cond(
        orientation > 1,
        lambda: tf.numpy_function(_turn, [image, orientation], tf.uint8),
        lambda: image,
    )
    return tf.ensure_shape(turned, (None, None, image.shape[-1]))


def _turn(image, orientation):
    exchanged, rows, columns = TURNS[orientation - 1]
    if exchanged:
        image = image.swapaxes(0, 1)
    return np.ascontiguousarray(image[::rows, ::columns])
