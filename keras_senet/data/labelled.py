"""Images with their classes: folders, datasets of tensorflow_datasets, arrays.

All of them are read by number, so that any order can be trained in and any part
be left to another worker.
"""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

# The names that a split has where it is not called what was asked for.
SPLITS = {
    "train": ("train",),
    "validation": ("validation", "val", "valid", "test"),
    "test": ("test", "validation", "val", "valid"),
}


class SplitError(ValueError):
    """Data that has not the split asked for."""


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images that are read by number, and their classes.

    Attributes:
        name: what they are, for messages.
        labels: the class of each, array of int32.
        class_names: names of the classes, in the order of their numbers.
        read: function of a number (scalar int64 tensor) that returns the
            image: the content of its file (scalar string tensor), or its
            pixels (uint8, `(height, width, channels)`).
        describe: function of a number that names the image for a person.
    """

    name: str
    labels: np.ndarray
    class_names: list[str]
    read: Callable
    describe: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, numbers: np.ndarray) -> "LabelledImages":
        """Returns some of the images.

        Args:
            numbers: which, and in which order.

        Returns:
            `LabelledImages`, numbered anew from zero.
        """
        import tensorflow as tf

        where = tf.constant(np.asarray(numbers, "int64"))
        return dataclasses.replace(
            self,
            labels=self.labels[numbers],
            read=lambda number: self.read(tf.gather(where, number)),
            describe=lambda number: self.describe(int(numbers[number])),
        )


def open_images(data, split: str | None = "train") -> LabelledImages:
    """Opens images by what names them.

    Args:
        data: `"folder:PATH"`, a folder with `train/CLASS/` and `val/CLASS/`, or
            with a folder per class; `"tfds:NAME"`, a dataset of
            tensorflow_datasets such as `"tfds:cifar10"`; a pair of arrays,
            images (uint8, `(images, height, width, channels)`) and their
            classes; a dictionary of such pairs by split; or `LabelledImages`.
        split: `"train"`, `"validation"`, `"test"`, or what the data itself
            calls a split. Where there is only one of `"validation"` and
            `"test"`, both names mean it. `None` is `"validation"`, or all of a
            folder that has no splits. Defaults to `"train"`.

    Returns:
        `LabelledImages`.

    Raises:
        ValueError: if there are no such images; it says what there is.
        ImportError: if tensorflow_datasets is needed and not installed.

    Example:

    >>> images = open_images("folder:photos", "validation")
    >>> len(images), images.class_names
    (2, ['cat', 'dog'])
    """
    if isinstance(data, dict):
        name = find_split(split or "validation", data, "The data")
        labels = [np.asarray(pair[1]) for pair in data.values()]
        classes = max(int(part.max(initial=-1)) for part in labels) + 1
        return from_arrays(*data[name], [str(k) for k in range(classes)])
    pair = isinstance(data, (tuple, list)) and len(data) == 2
    if pair or isinstance(data, LabelledImages):
        # What has no splits is for training, or all there is to evaluate on.
        find_split(split or "train", ["train"], "The data")
        return from_arrays(*data) if pair else data
    from keras_senet.data.folder import from_folder, split_folder
    from keras_senet.data.records import from_tfds

    kind, _, rest = str(data).partition(":")
    if kind == "folder" and rest:
        return from_folder(split_folder(Path(rest).expanduser(), split))
    if kind == "tfds" and rest:
        return from_tfds(rest, split or "validation")
    raise ValueError(
        f"The data is {data!r}. Allowed: 'folder:PATH' (a folder with train/"
        "CLASS/ and val/CLASS/ in it), 'tfds:NAME' (such as tfds:cifar10), or "
        "arrays (images, labels)."
    )


def find_split(asked: str, there: Iterable[str], what: str) -> str:
    """Returns the name of the split that is there, for the one asked for.

    Args:
        asked: the split asked for.
        there: the names of the splits that there are.
        what: what has them, for the message.

    Returns:
        One of `there`.

    Raises:
        SplitError: if none fits.
    """
    for name in (asked, *SPLITS.get(asked, ())):
        if name in there:
            return name
    raise SplitError(
        f"{what} has no split {asked!r}. It has: "
        f"{', '.join(map(repr, there)) or 'none'}."
    )


def from_arrays(pixels, labels, class_names=None) -> LabelledImages:
    """Takes images that are in memory.

    Args:
        pixels: uint8, `(images, height, width, channels)`.
        labels: integers from 0 on, `(images,)`.
        class_names: names of the classes, or `None` for their numbers.

    Returns:
        `LabelledImages`.

    Raises:
        ValueError: for arrays of another type or shape.
    """
    import tensorflow as tf

    pixels, labels = np.asarray(pixels), np.asarray(labels)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or not len(pixels):
        raise ValueError(
            f"The images are {pixels.dtype} of shape {pixels.shape}. Allowed: "
            "uint8 of shape (images, height, width, channels), at least one."
        )
    if (
        labels.shape != (len(pixels),)
        or labels.dtype.kind not in "iu"
        or labels.min() < 0
    ):
        raise ValueError(
            f"The labels are {labels.dtype} of shape {labels.shape}. Allowed: "
            f"integers from 0 on, one per image, of shape ({len(pixels)},)."
        )
    if class_names is None:
        class_names = [str(k) for k in range(int(labels.max()) + 1)]
    if labels.max() >= len(class_names):
        raise ValueError(
            f"There is a label {labels.max()}, and there are "
            f"{len(class_names)} class names. Give a name per class."
        )
    with tf.device("CPU"):
        constant = tf.constant(pixels)
    return LabelledImages(
        name=f"{len(pixels)} images",
        labels=labels.astype("int32"),
        class_names=list(class_names),
        read=lambda number: tf.gather(constant, number),
        describe=lambda number: f"image {number}",
    )
