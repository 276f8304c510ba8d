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
# Floats up to here are no pixels in [0, 255] but images divided by 255, which
# resizing takes a little above 1.
DIVIDED = 2.0


def find_inputs(images, argument: str = "images") -> list:
    """Returns a list of what stands for one image or more.

    Args:
        images: as `Classifier.predict` takes them.
        argument: what they are called in messages. Defaults to `"images"`.

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
        raise ValueError(f"`{argument}` is {images!r:.80}. {ALLOWED}")
    return [array]


def prepare(image, model: DescribedModel, name: str = "An image") -> np.ndarray:
    """Makes an array as a network takes it of one image.

    Args:
        image: one of what `find_inputs` returns.
        model: the network; its card says how.
        name: what the image is called in messages. Defaults to `"An image"`.

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
        image = _checked(image, channels, name)
        if image.shape[:2] != card.input_size:
            image = _as_pillow(image, card.input_size, name)
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


def _checked(image, channels, name):
    array = np.asarray(image)
    if array.dtype == object:
        raise ValueError(f"{name} is {image!r:.80}. {ALLOWED}")
    shape = array.shape
    if array.ndim != 3 or shape[-1] != channels or 0 in shape:
        raise ValueError(
            f"{name} has the shape {shape}. Allowed: (height, width, "
            f"{channels}), pixels in [0, 255]."
        )
    check_range(array, name)
    return array


def check_range(image: np.ndarray, where: str) -> float:
    """Raises an error for an array that is no pixels in [0, 255].

    Args:
        image: the array.
        where: what it is called in messages.

    Returns:
        The highest of its values.

    Raises:
        ValueError: if it has others, or looks as if it were divided by 255.
    """
    if image.dtype.kind not in "uif":
        raise ValueError(
            f"{where} is of {image.dtype}. Allowed: numbers in [0, 255]."
        )
    if not np.isfinite(image).all():
        raise ValueError(
            f"{where} has pixels that are NaN or infinite. Allowed: numbers in "
            "[0, 255]."
        )
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 255:
        raise ValueError(
            f"{where} has values from {low:g} to {high:g}. Allowed: pixels in "
            "[0, 255], which are normalised inside. Give images that are not "
            "normalised."
        )
    if image.dtype.kind == "f" and 0 < high <= DIVIDED:
        raise divided(where, low, high)
    return high


def divided(where: str, low: float, high: float) -> ValueError:
    """Returns the error for images that look as if divided by 255.

    Args:
        where: what they are called.
        low: the lowest of their values.
        high: the highest.

    Returns:
        A `ValueError`.
    """
    return ValueError(
        f"{where} has values from {low:g} to {high:g}, which look like images "
        "divided by 255. Allowed: pixels in [0, 255], which are normalised "
        "inside. Multiply by 255."
    )


def _as_pillow(array, size, name):
    if array.dtype != np.uint8:
        raise ValueError(
            f"{name} has {array.shape[0]} x {array.shape[1]} pixels of "
            f"{array.dtype}, and has to be resized to {size[0]} x {size[1]}. "
            "Allowed: uint8, or pixels of any type at that size."
        )
    return Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array)
