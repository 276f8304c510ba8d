"""Folders of images, a folder per class."""

import os
from pathlib import Path

import numpy as np

from keras_senet.data.images import SUFFIXES, images_in
from keras_senet.data.labelled import SPLITS, LabelledImages, find_split


def from_folder(folder: Path) -> LabelledImages:
    """Takes the images of a folder that has a folder per class.

    Args:
        folder: the folder.

    Returns:
        `LabelledImages`.

    Raises:
        ValueError: if there is no such folder, or a class is empty.
    """
    import tensorflow as tf

    paths, labels, class_names = find_classes(folder)
    # As bytes, since a name need not be UTF-8.
    constant = tf.constant([os.fsencode(path) for path in paths])
    return LabelledImages(
        name=str(folder),
        labels=labels,
        class_names=class_names,
        read=lambda number: tf.io.read_file(tf.gather(constant, number)),
        describe=lambda number: paths[number],
    )


def split_folder(folder: Path, split: str | None) -> Path:
    """Returns the folder of a split.

    Args:
        folder: a folder that has folders of splits, or classes right away: all
            of them are for training.
        split: the split, or `None`: that for validation, or the whole folder
            where it has no splits.

    Returns:
        The folder whose folders are the classes.

    Raises:
        ValueError: if there is none.
    """
    if not folder.is_dir():
        raise ValueError(
            f"{str(folder)!r} is no folder. Give one that has a folder of "
            "images per class, or train/CLASS/ and val/CLASS/ in it."
        )
    there = [path.name for path in folder.iterdir() if path.is_dir()]
    names = sum(SPLITS.values(), ())
    splits = sorted(name for name in there if name in names)
    if not splits and split in ("train", None):
        return folder
    name = find_split(
        split or "validation", splits, f"The folder {str(folder)!r}"
    )
    return folder / name


def find_classes(folder: str | Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Finds the images of a folder that has a folder per class.

    Args:
        folder: the folder, such as ImageNet's `train`. Its folders, in sorted
            order, are the classes, and are searched as `images_in` does.

    Returns:
        Paths of the images in sorted order, their classes (array of int32),
        and the names of the classes.

    Raises:
        ValueError: if there is no such folder, or a class without an image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(
            f"{str(folder)!r} is no folder. Give one that has a folder of "
            "images per class."
        )
    classes = sorted(
        p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."
    )
    paths, labels = [], []
    for label, one in enumerate(classes):
        found = sorted(map(str, images_in(one)))
        if not found:
            raise ValueError(
                f"The class {str(one)!r} has no image. Looked for names that "
                f"end in {', '.join(SUFFIXES)}. Remove the folder, or fill it."
            )
        paths += found
        labels += [label] * len(found)
    if not paths:
        raise ValueError(
            f"{str(folder)!r} has no folders of images. Give one that has a "
            "folder per class, such as ImageNet's `train`."
        )
    return paths, np.array(labels, "int32"), [p.name for p in classes]
