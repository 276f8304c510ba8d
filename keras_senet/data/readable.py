"""Images that can't be read: found and named before work starts."""

import logging
import time

import numpy as np

from keras_senet.data.images import ImageError
from keras_senet.data.labelled import LabelledImages
from keras_senet.device import available_cores

logger = logging.getLogger("keras_senet")

# Seconds between two lines of a search that takes long.
TELL_EVERY = 30


def find_unreadable(
    images: LabelledImages, numbers: np.ndarray | None = None
) -> np.ndarray:
    """Decodes images, and returns those for which that fails.

    Args:
        images: the images.
        numbers: which of them. Defaults to `None`: all.

    Returns:
        Numbers of the images that can't be read, sorted; none where they are in
        memory.
    """
    import tensorflow as tf

    from keras_senet.data.decoding import decode

    numbers = np.arange(len(images)) if numbers is None else numbers
    if not len(numbers) or spec_of(images).dtype != tf.string:
        return np.zeros(0, "int64")

    def try_one(number):
        pixels = decode(images.read(number))
        # The sum, so that the pixels are needed.
        return number, tf.reduce_sum(tf.cast(pixels, tf.int64))

    found = (
        tf.data.Dataset.from_tensor_slices(numbers.astype("int64"))
        .map(try_one, num_parallel_calls=available_cores())
        .ignore_errors()
    )
    good, told = [], time.monotonic()
    for number, _ in found.as_numpy_iterator():
        good.append(int(number))
        if time.monotonic() > told + TELL_EVERY:
            told = time.monotonic()
            logger.warning(
                "%s: looking for damaged images, %d of %d.",
                images.name,
                len(good),
                len(numbers),
            )
    return np.setdiff1d(numbers, good)


def spec_of(images: LabelledImages):
    """Returns the type of the images and what is known of their shape.

    None of them is read, since any may be damaged.

    Args:
        images: the images.

    Returns:
        A `tf.TensorSpec`: of a string for files.
    """
    import tensorflow as tf

    return tf.data.Dataset.range(1).map(images.read).element_spec


def skip(
    images: LabelledImages, unreadable: np.ndarray, limit: int
) -> LabelledImages:
    """Returns images without those that can't be read.

    Args:
        images: the images.
        unreadable: numbers of those that can't be read.
        limit: how many of them are put up with.

    Returns:
        `LabelledImages`.

    Raises:
        ImageError: if there are more; it names them.
    """
    if not len(unreadable):
        return images
    names = [images.describe(int(number)) for number in unreadable]
    if len(names) > limit:
        raise ImageError(
            f"{len(names)} of the {len(images)} images of {images.name} can't "
            f"be read, and {limit} are allowed (max_unreadable). Replace or "
            "remove them, or allow as many:\n    "
            + "\n    ".join(names[:100])
            + ("\n    …" if len(names) > 100 else "")
        )
    return images.take(np.setdiff1d(np.arange(len(images)), unreadable))
