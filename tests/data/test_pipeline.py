"""Batches of a folder against the files themselves, read by Pillow."""

from functools import partial

import numpy as np
import pytest
from photos import photo

from keras_senet.data import images
from keras_senet.data.augmentation import rand_augment
from keras_senet.data.folder import find_classes
from keras_senet.data.pipeline import image_folder


@pytest.fixture
def folder(tmp_path):
    shapes = [(90, 60), (60, 90), (64, 64), (300, 40), (40, 300), (500, 375)]
    for name, first in (("cat", 0), ("dog", 10)):
        (tmp_path / name / "deeper").mkdir(parents=True)
        for k, (width, height) in enumerate(shapes):
            place = tmp_path / name / ("deeper" if k == 1 else "")
            kind = {2: "png", 3: "JPG"}.get(k, "jpeg")
            photo(first + k, width, height).save(
                place / f"{k}.{kind}",
                **({} if kind == "png" else {"quality": 97}),
            )
    (tmp_path / "notes.txt").write_text("not a class")
    return tmp_path


def all_of(batches):
    pairs = [(x.numpy(), y.numpy()) for x, y in batches]
    return tuple(np.concatenate(part) for part in zip(*pairs, strict=True))


def test_evaluation_gives_the_centre_crops_of_pillow_in_order(folder):
    batches = image_folder(folder, 32, batch_size=5, training=False)
    assert batches.class_names == ["cat", "dog"]
    assert len(batches) == 3
    pixels, labels = all_of(batches)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (12, 32, 32, 3)
    assert labels.tolist() == [0] * 6 + [1] * 6
    paths, _, _ = find_classes(folder)
    for path, ours in zip(paths, pixels, strict=True):
        theirs = images.center_crop(images.read_image(path), (32, 32))
        assert abs(ours.astype(int) - theirs).max() <= 2, path


def test_training_uses_every_image_once_a_pass(folder):
    batches = image_folder(folder, 16, batch_size=4)
    for _ in range(2):
        pixels, labels = all_of(batches)
        assert pixels.shape == (12, 16, 16, 3)
        assert sorted(labels) == [0] * 6 + [1] * 6
    # Every picture has colours of its own.
    plain = all_of(image_folder(folder, 16, training=False))[0]
    assert len({image.tobytes() for image in plain}) == 12


def test_a_seed_gives_the_same_passes_and_passes_differ(folder):
    one, other = (image_folder(folder, 16, seed=3) for _ in range(2))
    passes = [[all_of(batches) for _ in range(3)] for batches in (one, other)]
    for (pixels, labels), (again, labels_again) in zip(*passes, strict=True):
        np.testing.assert_array_equal(pixels, again)
        np.testing.assert_array_equal(labels, labels_again)
    assert (passes[0][0][0] != passes[0][1][0]).any()
    another = all_of(image_folder(folder, 16, seed=4))
    assert (another[0] != passes[0][0][0]).any()


def test_an_epoch_is_the_same_whenever_it_is_read(folder):
    first = image_folder(folder, 16, seed=3, epoch=5)
    expected = all_of(first)
    for batches in (
        first,
        image_folder(folder, 16, seed=3, epoch=5, threads=1),
    ):
        np.testing.assert_array_equal(all_of(batches)[0], expected[0])
    next_epoch = all_of(image_folder(folder, 16, seed=3, epoch=6))
    assert (next_epoch[0] != expected[0]).any()


def test_keras_trains_on_it_with_augmentation(folder):
    import keras

    model = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    augment = partial(rand_augment, magnitude=5)
    batches = image_folder(folder, 24, batch_size=4, augment=augment, seed=1)
    history = model.fit(batches, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"folder": "nowhere"}, ["nowhere", "no folder"]),
        ({"size": 0}, ["size", "pixels"]),
        ({"size": 22.5}, ["size", "22.5", "pixels"]),
        ({"size": "32"}, ["size", "'32'", "pixels"]),
        ({"size": (32, 32, 3)}, ["size", "pair"]),
        ({"batch_size": 0}, ["batch_size", "at least 1"]),
        ({"batch_size": 1.5}, ["batch_size", "1.5"]),
        ({"epoch": 1}, ["epoch", "seed"]),
        ({"epoch": -1, "seed": 1}, ["epoch", "-1", "at least 0"]),
        ({"seed": -1}, ["seed", "-1", "at least 0"]),
        ({"seed": "x"}, ["seed", "'x'", "integer"]),
        ({"seed": 1.5}, ["seed", "1.5", "integer"]),
        ({"crop": 0}, ["crop", "above 0"]),
        ({"crop": -1}, ["crop", "-1"]),
        ({"crop": 2}, ["crop", "up to 1"]),
        ({"crop": float("nan")}, ["crop", "nan"]),
        ({"augment": "rand"}, ["augment", "'rand'", "rand_augment"]),
        ({"threads": 0}, ["threads", "at least 1"]),
    ],
)
def test_wrong_arguments_are_named(folder, arguments, words):
    with pytest.raises(ValueError) as caught:
        image_folder(**{"folder": folder, **arguments})
    for word in words:
        assert word in str(caught.value)


def test_numbers_of_numpy_are_numbers(folder):
    keywords = {"batch_size": np.int64(4), "seed": np.int32(3)}
    ours = image_folder(folder, np.int64(16), threads=np.int8(1), **keywords)
    theirs = image_folder(folder, 16, 4, seed=3)
    np.testing.assert_array_equal(all_of(ours)[0], all_of(theirs)[0])


def test_an_empty_class_is_named(folder):
    (folder / "zebra").mkdir()
    with pytest.raises(ValueError, match="zebra"):
        image_folder(folder)
