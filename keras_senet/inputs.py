"""Whatever a person has of pictures -> arrays as a network takes them."""

from pathlib import Path

import numpy as np
from PIL import Image

from keras_senet.architectures.card import DescribedModel
from keras_senet.data.images import (
    center_crop,
    find_images,
    read_image,
    upright,
)
from keras_senet.preprocessing import preprocess_input

ALLOWED = (
    "Allowed: the path of an image or of a folder of images, a PIL image, an "
    "array of shape (height, width, channels) or a batch of them, or a list of "
    "paths of images, PIL images and arrays."
)


def find_inputs(images) -> list:
    """Returns a list of what stands for one image or more.

    Args:
        images: as `Classifier.predict` takes them.

    Returns:
        List of paths, `PIL.Image.Image` and arrays, one per image.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(images, (str, Path)):
        return find_images([images])
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, (list, tuple)):
        return list(images)
    array = np.asarray(images)
    if array.ndim == 4:
        return list(array)
    if array.dtype == object:
        raise ValueError(f"`images` is {images!r:.80}. {ALLOWED}")
    return [array]


def prepare(image, model: DescribedModel) -> np.ndarray:
    """Makes an array as a network takes it of one image.

    Args:
        image: one of what `find_inputs` returns.
        model: the network; its card says how.

    Returns:
        Array of the shape that the network takes.

    Raises:
        ImageError: if a file can't be read.
        ValueError: for an array that is no image.
    """
    card = model.card
    first = card.data_format == "channels_first"
    channels = model.input_shape[1 if first else -1]
    if channels not in (1, 3):
        raise ValueError(
            f"The model takes images of {channels} channels. Allowed for "
            "images: 1 (grey) or 3 (RGB)."
        )
    mode = "L" if channels == 1 else "RGB"
    if isinstance(image, (str, Path)):
        image = read_image(image, mode)
    elif isinstance(image, Image.Image):
        image = upright(image, mode)
    else:
        image = _checked(image, channels)
        if image.shape[:2] != card.input_size:
            image = _as_pillow(image, card.input_size)
    if isinstance(image, Image.Image):
        image = center_crop(
            image, card.input_size, card.crop, card.interpolation
        )
    if first:
        image = image.transpose(2, 0, 1)
    if not card.include_preprocessing:
        pair = (card.normalization["mean"], card.normalization["std"])
        image = preprocess_input(
            image, data_format=card.data_format, normalization=pair
        )
    return image


def _checked(image, channels):
    array = np.asarray(image)
    if array.dtype == object:
        raise ValueError(f"An image is {image!r:.80}. {ALLOWED}")
    shape = array.shape
    if array.ndim != 3 or shape[-1] != channels or 0 in shape:
        raise ValueError(
            f"An image has the shape {shape}. Allowed: (height, width, "
            f"{channels}), pixels in [0, 255]."
        )
    return array


def _as_pillow(array, size):
    if array.dtype != np.uint8:
        raise ValueError(
            f"An image of {array.shape[0]} x {array.shape[1]} pixels is of "
            f"{array.dtype}, and has to be resized to {size[0]} x {size[1]}. "
            "Allowed: uint8, or any type at that size."
        )
    return Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array)
