"""Images and labels as the studies take them: arrays, or batch by batch."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np
from numpy.typing import ArrayLike


def batches(
    images: np.ndarray | Iterable[np.ndarray], model: keras.Model, size: int
) -> Iterator[np.ndarray]:
    """Cuts images into batches.

    Args:
        images: an array, or an iterable of batches.
        model: the model that takes them.
        size: images per batch of an array.

    Yields:
        Arrays of shape `(count, *model.input_shape[1:])`.

    Raises:
        ValueError: for arrays of another rank, or if there is no image.
    """
    parts = images
    if hasattr(images, "shape"):
        _check_rank(images, model)
        parts = (
            images[start : start + size]
            for start in range(0, len(images), size)
        )
    none = True
    for part in parts:
        _check_rank(part, model)
        none = False
        yield part
    if none:
        raise ValueError("There is no image. Give at least one.")


def check_labels(
    images: np.ndarray | Iterable[np.ndarray], labels: ArrayLike
) -> np.ndarray:
    """Returns labels as an array, one per image.

    Args:
        images: an array, or an iterable of batches whose number is not known.
        labels: integers from 0 on.

    Returns:
        Array of int64.

    Raises:
        ValueError: for other numbers, or more or less than there are images.
    """
    labels = np.asarray(labels)
    if (
        labels.ndim != 1
        or not len(labels)
        or labels.dtype.kind not in "iu"
        or labels.min() < 0
    ):
        raise ValueError(
            f"`labels` is {labels.dtype} of shape {labels.shape}. Allowed: the "
            "class of each image, integers from 0 on, in one dimension."
        )
    if hasattr(images, "shape"):
        check_count(len(labels), len(images), labels)
    return labels.astype("int64")


def check_count(found: int, expected: int, labels: np.ndarray) -> None:
    """Raises an error unless there are as many labels as images.

    Args:
        found: number of labels.
        expected: number of images that they are for.
        labels: all labels, for the message.

    Raises:
        ValueError: if these differ.
    """
    if found != expected:
        raise ValueError(
            f"There are {len(labels)} labels, and "
            f"{'more' if found < expected else 'fewer'} images. Give one label "
            "per image."
        )


def _check_rank(images, model):
    if len(images.shape) != len(model.input_shape):
        raise ValueError(
            f"`images` has the shape {tuple(images.shape)}, and {model.name} "
            f"takes {model.input_shape}: a batch. For one image give "
            "`image[None]`."
        )
