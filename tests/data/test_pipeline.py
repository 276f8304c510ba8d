"""Batches of a folder against the files themselves, read by Pillow."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_senet.data import crops, images
from keras_senet.data.augmentation import rand_augment
from keras_senet.data.folder import find_classes
from keras_senet.data.pipeline import image_folder


def photo(seed, width, height):
    """A smooth picture, so that a resize can be compared."""
    small = np.random.default_rng(seed).integers(0, 255, (5, 7, 3), "uint8")
    return Image.fromarray(small).resize(
        (width, height), Image.Resampling.BICUBIC
    )


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


def test_a_crop_is_the_window_that_the_numbers_say(tmp_path):
    """Against Pillow: the same window cut out of the decoded file, resized."""
    path = tmp_path / "one.jpeg"
    photo(1, 240, 180).save(path, quality=97)
    data = tf.io.read_file(str(path))
    random = np.full((4, crops.ATTEMPTS), 0.5, "float32")
    random[0], random[1] = 0.3, 0.8
    area = 240 * 180 * (0.08 + 0.92 * 0.3)
    aspect = np.exp(np.log(3 / 4) + 0.8 * (np.log(4 / 3) - np.log(3 / 4)))
    width = round(np.sqrt(area * aspect))
    height = round(np.sqrt(area / aspect))
    left = int((240 - width + 1) * 0.5)
    top = int((180 - height + 1) * 0.5)
    box = (left, top, left + width, top + height)
    with Image.open(path) as image:
        expected = np.asarray(
            image.crop(box).resize((64, 64), Image.Resampling.BILINEAR), "int32"
        )
    ours = crops.random_crop(data, (64, 64), tf.constant(random)).numpy()
    difference = abs(ours - expected)
    assert difference.max() <= 12
    assert difference.mean() < 2
    random[3, 1] = 0.4
    flipped = crops.random_crop(data, (64, 64), tf.constant(random)).numpy()
    np.testing.assert_array_equal(flipped, ours[:, ::-1])


@pytest.mark.parametrize("size", [20, 60, 130])
def test_a_jpeg_decoded_small_shows_the_same_window(tmp_path, size):
    """On a picture whose colours say where a pixel is from."""
    path = tmp_path / "one.jpeg"
    x, y = np.meshgrid(np.arange(401) / 2, np.arange(303) / 2)
    ramp = np.stack([x, y, 0 * x], -1).astype("uint8")
    Image.fromarray(ramp).save(path, quality=100, subsampling=0)
    data = tf.io.read_file(str(path))
    for place in (0.0, 0.37, 0.99):
        random = np.full((4, crops.ATTEMPTS), place, "float32")
        random[0], random[1], random[3] = 0.75, 0.5, 0.9
        shape = tf.constant([303, 401, 3])
        window = crops._random_window(shape, tf.constant(random)).numpy()
        crop = crops.random_crop(data, (size, size), tf.constant(random))
        crop = crop.numpy().astype(float)
        middles = (np.arange(size) + 0.5) / size
        columns = window[1] + window[3] * middles - 0.5
        rows = window[0] + window[2] * middles - 0.5
        # Half a pixel of the reduced image, of up to eight, and rounding.
        ratio = max(1, 2 ** int(np.log2(window[2:].min() / size)))
        allowed = ratio / 2 / 2 + 1.5
        assert abs(crop[..., 0] - columns / 2).max() <= allowed
        assert abs(crop[..., 1] - rows[:, None] / 2).max() <= allowed


def test_long_images_give_their_middle(tmp_path):
    path = tmp_path / "one.png"
    array = np.zeros((10, 400, 3), "uint8")
    array[:, 190:210] = 255
    Image.fromarray(array).save(path)
    random = np.full((4, crops.ATTEMPTS), 0.999, "float32")
    crop = crops.random_crop(
        tf.io.read_file(str(path)), (10, 13), tf.constant(random)
    )
    assert crop.numpy().min() == 255


def test_crops_have_the_recipes_areas_and_aspects():
    random = np.random.default_rng(0).random((500, 4, 10)).astype("float32")
    windows = np.array(
        [
            crops._random_window(tf.constant([375, 500, 3]), tf.constant(r))
            for r in random
        ]
    )
    top, left, height, width = windows.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 375).all()
    assert (left + width <= 500).all()
    aspect = width / height
    assert 0.73 < aspect.min() < 0.8
    assert 1.25 < aspect.max() < 1.36
    area = width * height / (375 * 500)
    assert area.min() > 0.075
    assert area.max() > 0.9
    # Large and askew crops don't fit and are drawn again: less than the mean.
    assert 0.4 < area.mean() < 0.55


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
        ({"batch_size": 0}, ["batch_size", "at least 1"]),
        ({"epoch": 1}, ["epoch", "seed"]),
        ({"threads": 0}, ["threads", "at least 1"]),
    ],
)
def test_wrong_arguments_are_named(folder, arguments, words):
    with pytest.raises(ValueError) as caught:
        image_folder(**{"folder": folder, **arguments})
    for word in words:
        assert word in str(caught.value)


def test_an_empty_class_is_named(folder):
    (folder / "zebra").mkdir()
    with pytest.raises(ValueError, match="zebra"):
        image_folder(folder)
