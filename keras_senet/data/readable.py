"""Images that can't be read: found and named before work starts."""

import io
import logging
import re
import time

import numpy as np

from keras_senet.data.images import ImageError, read_image
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
            f"be read, and {limit} are allowed. Replace or remove them, or "
            "allow as many (`max_unreadable`, --max-unreadable):\n    "
            + "\n    ".join(names[:100])
            + ("\n    …" if len(names) > 100 else "")
        )
    return images.take(np.setdiff1d(np.arange(len(images)), unreadable))


def leave_out(images: LabelledImages, limit: int) -> LabelledImages:
    """Returns images without those that can't be read, which the log names.

    Args:
        images: the images; all files are read once to find them.
        limit: how many of them are put up with; with `0` nothing is read.

    Returns:
        `LabelledImages`.

    Raises:
        ImageError: if there are more; it names them.
    """
    if not limit:
        return images
    unreadable = find_unreadable(images)
    kept = skip(images, unreadable, limit)
    for number in unreadable:
        logger.warning("%s can't be read: left out", images.describe(number))
    return kept


def unreadable(
    images: LabelledImages, numbers: np.ndarray, reason: Exception
) -> ImageError:
    """Returns the error that names those of some images that can't be read.

    Args:
        images: the images.
        numbers: which of them were read.
        reason: what TensorFlow said.

    Returns:
        An `ImageError`.
    """
    found = find_unreadable(images, np.unique(numbers))
    names = [images.describe(int(number)) for number in found]
    why = _why(images, found, reason)
    return ImageError(
        f"{', '.join(names) or images.name} can't be read: {why}. Replace or "
        "remove what is damaged, or let it be left out (`max_unreadable`, "
        "--max-unreadable)."
    )


def _why(images, found, reason):
    """Why the first image can't be read, in Pillow's words where it knows."""
    import tensorflow as tf

    try:
        if len(found):
            read_image(io.BytesIO(images.read(int(found[0])).numpy()))
    except ImageError as error:
        return str(error).partition("can't be read: ")[2]
    except tf.errors.OpError as error:
        reason = error
    # Behind the name of the operation in TensorFlow's graph.
    message = str(getattr(reason, "message", reason)).strip()
    words = re.sub(r"^\{\{.*?\}\} *", "", message.partition("\n")[0])
    return words.rstrip(".")
