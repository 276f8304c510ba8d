"""Images on which a file is calibrated and compared with its model."""

import logging
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from keras_senet.architectures.card import DescribedModel
from keras_senet.data.images import ImageError
from keras_senet.inputs import check_range, divided, find_inputs, prepare

logger = logging.getLogger("keras_senet")

# Images of a folder or a dataset that are taken at most.
MOST = 1000


def collect(images, model: DescribedModel, argument: str):
    """Returns images as an array that a model takes.

    Args:
        images: as `export_tflite` takes them, or `None`. Of a folder or a
            dataset at most `MOST` are taken.
        model: the model, which takes pixels.
        argument: what they are called in messages.

    Returns:
        Array `(images, height, width, channels)`; or `None`.

    Raises:
        ValueError: if none can be read, or they are no pixels.
    """
    if images is None:
        return None
    if isinstance(images, (str, Path)) and not Path(images).exists():
        raise ValueError(
            f"`{argument}` is {str(images)!r}, and there is no such file or "
            "folder."
        )
    if hasattr(images, "element_spec"):
        images = _of_dataset(images, argument)
    inputs = find_inputs(images, argument)
    if isinstance(images, (str, Path)) and len(inputs) > MOST:
        logger.warning(
            "%s has %s images, of which %s are taken, drawn by chance: they "
            "lie in memory. Give an array for more.",
            images,
            len(inputs),
            MOST,
        )
        numbers = np.random.default_rng(0).permutation(len(inputs))[:MOST]
        inputs = [inputs[number] for number in np.sort(numbers)]
    inputs = [
        one if isinstance(one, (str, Path, Image.Image)) else np.asarray(one)
        for one in inputs
    ]
    check_pixels(inputs, argument)
    found = []
    for image in inputs:
        if (
            isinstance(image, np.ndarray)
            and image.shape[:2] != model.card.input_size
        ):
            # The type that is resized.
            image = np.rint(image).astype("uint8")
        try:
            found.append(prepare(image, model))
        except ImageError as error:
            logger.warning("%s. It is left out.", error)
    if not found:
        raise ValueError(
            f"`{argument}` has no image that can be read. Give images like "
            "those to come."
        )
    return np.stack(found)


def check_pixels(images: Iterable, argument: str) -> None:
    """Raises an error for arrays that are no pixels in [0, 255].

    Every image is looked at by itself: among many, one of another range would
    hide what the rest has.

    Args:
        images: arrays; of others, such as paths, nothing is said.
        argument: what they are called in messages.

    Raises:
        ValueError: if there is one.
    """
    highest = []
    for number, image in enumerate(images):
        if not isinstance(image, np.ndarray) or not image.size:
            continue
        high = check_range(image, f"Image {number} of `{argument}`")
        highest.append(high)
    # An image of integers may well be dark, but not all of them.
    if highest and 0 < max(highest) <= 1:
        raise divided(f"`{argument}`", 0, max(highest))


def _of_dataset(data, argument):
    """The images of a dataset of tf.data, one by one or in batches."""
    import tensorflow as tf

    spec = data.element_spec
    spec = spec[0] if isinstance(spec, tuple) else spec
    if getattr(getattr(spec, "shape", None), "rank", None) not in (3, 4):
        raise ValueError(
            f"`{argument}` is a dataset of {data.element_spec}. Allowed: "
            "images, or pairs (images, labels), one by one or in batches."
        )
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            f"`{argument}` is a dataset without an end. Give a few hundred of "
            "its images: data.take(10) of batches."
        )
    images = []
    for element in data:
        image = element[0] if isinstance(element, tuple) else element
        array = np.asarray(image)
        images.extend(array if array.ndim == 4 else [array])
        if len(images) > MOST:
            logger.warning(
                "`%s` has more than %s images, of which the first are taken: "
                "they lie in memory. Shuffle it if they are sorted, or give "
                "an array for more.",
                argument,
                MOST,
            )
            break
    return images[:MOST]


def noise(model: keras.Model, count: int = 8) -> np.ndarray:
    """Returns images of noise, of the size of a model.

    Args:
        model: the model.
        count: how many. Defaults to `8`.

    Returns:
        Array `(images, height, width, channels)`, uint8.
    """
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")
