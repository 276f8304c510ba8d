"""Folders, datasets and arrays, read by number."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_senet.data.images import ImageError
from keras_senet.data.labelled import open_images
from keras_senet.data.readable import find_unreadable, skip
from keras_senet.data.records import from_tfds


def put(folder, *names):
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)


def test_a_folder_of_splits(tmp_path):
    put(tmp_path, "train/a/1.png", "train/b/1.png", "train/b/2.png")
    put(tmp_path, "val/a/9.png", "val/b/9.png")
    images = open_images(f"folder:{tmp_path}")
    assert images.labels.tolist() == [0, 1, 1]
    assert images.class_names == ["a", "b"]
    assert images.describe(2).endswith("train/b/2.png")
    pixels = tf.io.decode_png(images.read(2))
    assert pixels[0, 0, 0] == 2
    for name in ("validation", "val", "test"):
        assert len(open_images(f"folder:{tmp_path}", name)) == 2


def test_a_folder_of_classes_is_for_training_alone(tmp_path):
    put(tmp_path, "a/1.png", "b/1.png")
    assert len(open_images(f"folder:{tmp_path}")) == 2
    with pytest.raises(ValueError, match="no split 'validation'"):
        open_images(f"folder:{tmp_path}", "validation")


def test_a_part_is_numbered_anew(tmp_path):
    put(tmp_path, "a/0.png", "a/1.png", "b/2.png", "b/3.png")
    images = open_images(f"folder:{tmp_path}").take(np.array([3, 1]))
    images = images.take(np.array([1, 0]))
    assert images.labels.tolist() == [0, 1]
    assert images.describe(1).endswith("3.png")
    assert tf.io.decode_png(images.read(1))[0, 0, 0] == 3


@pytest.mark.data
def test_a_dataset_read_by_record_is_the_one_in_memory(
    data_dir, tmp_path, monkeypatch
):
    monkeypatch.setenv("KERAS_SENET_HOME", str(tmp_path))
    whole = from_tfds("cifar10", "test", data_dir=str(data_dir))
    for _ in range(2):
        # Looked up, then from what was kept of it.
        records = from_tfds("cifar10", "test", str(data_dir), memory=0)
        np.testing.assert_array_equal(records.labels, whole.labels)
        assert records.class_names == whole.class_names
        for number in (0, 5000, 9999):
            pixels = tf.io.decode_image(records.read(tf.constant(number)))
            np.testing.assert_array_equal(pixels, whole.read(number))


def test_a_dataset_that_is_not_there_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SENET_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="download_and_prepare") as caught:
        open_images("tfds:cifar10")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("cifar10", ["'cifar10'", "tfds:NAME"]),
        ("folder:", ["folder:PATH"]),
        ("folder:nowhere", ["nowhere", "no folder"]),
        ("tfds:no_such_dataset", ["no_such_dataset"]),
        ((np.zeros((2, 4, 4, 3)), np.zeros(2, int)), ["float64", "uint8"]),
        ((np.zeros((2, 4, 4, 3), "uint8"), np.zeros(3, int)), ["(3,)"]),
        ((np.zeros((2, 4, 4, 3), "uint8"), np.array([0, -1])), ["labels"]),
        ({"test": None}, ["no split 'train'", "'test'"]),
    ],
)
def test_wrong_data_is_named(data, words):
    with pytest.raises(ValueError) as caught:
        open_images(data)
    for word in words:
        assert word in str(caught.value)


def test_arrays_by_split_share_their_classes():
    pixels = np.zeros((3, 4, 4, 3), "uint8")
    data = {"train": (pixels, np.arange(3)), "test": (pixels, np.zeros(3, int))}
    for split in ("train", "validation", None):
        assert open_images(data, split).class_names == ["0", "1", "2"]
    images = open_images((pixels, np.arange(3)))
    assert open_images(images, None) is images
    for one in (images, (pixels, np.arange(3))):
        # Else a network would be validated on what it was trained on.
        with pytest.raises(ValueError, match="no split 'validation'"):
            open_images(one, "validation")


def test_damaged_images_are_found_named_and_left_out(tmp_path):
    put(tmp_path, "a/0.jpg", "a/1.jpg", "b/2.jpg", "b/3.png")
    whole = (tmp_path / "a/1.jpg").read_bytes()
    (tmp_path / "a/1.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b/2.jpg").write_bytes(b"")
    images = open_images(f"folder:{tmp_path}")
    found = find_unreadable(images)
    assert found.tolist() == [1, 2]
    assert find_unreadable(images, np.array([0, 2])).tolist() == [2]
    kept = skip(images, found, limit=2)
    assert [kept.describe(n)[-5:] for n in range(len(kept))] == [
        "0.jpg",
        "3.png",
    ]
    with pytest.raises(ImageError, match="2 of the 4 images") as caught:
        skip(images, found, limit=1)
    assert str(tmp_path / "a/1.jpg") in str(caught.value)
    assert str(tmp_path / "b/2.jpg") in str(caught.value)
