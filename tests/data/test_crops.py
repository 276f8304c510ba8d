"""Crops against Pillow and numpy."""

import numpy as np
import pytest
import tensorflow as tf
from photos import photo
from PIL import Image

from keras_senet.data import crops, images


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


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_a_padded_crop_is_numpys(size, rng):
    image = rng.integers(0, 256, (*size, 3), "uint8")
    pads = [side // 8 for side in size]
    padded = np.pad(image, [*((pad, pad) for pad in pads), (0, 0)])
    corners = set()
    for _ in range(200):
        random = rng.random((4, crops.ATTEMPTS)).astype("float32")
        ours = crops.padded_crop(tf.constant(image), size, tf.constant(random))
        top, left = (
            int(random[2 + k, 0] * (2 * pad + 1)) for k, pad in enumerate(pads)
        )
        theirs = padded[top : top + size[0], left : left + size[1]]
        if random[3, 1] < 0.5:
            theirs = theirs[:, ::-1]
        np.testing.assert_array_equal(ours, theirs)
        corners.add((top, left))
    # All of them can come.
    assert {top for top, _ in corners} == set(range(2 * pads[0] + 1))
    assert {left for _, left in corners} == set(range(2 * pads[1] + 1))


def test_a_padded_crop_decodes_files(tmp_path):
    path = tmp_path / "one.png"
    photo(1, 32, 32).save(path)
    random = np.full((4, crops.ATTEMPTS), 0.5, "float32")
    crop = crops.padded_crop(
        tf.io.read_file(str(path)), (32, 32), tf.constant(random)
    )
    np.testing.assert_array_equal(crop, images.read_image(path))


@pytest.mark.parametrize(
    ("shape", "size", "crop"),
    [
        ((375, 500), (224, 224), 0.875),
        ((500, 333), (299, 299), 299 / 352),
        ((64, 64), (64, 64), 1.0),
        ((20, 300), (32, 48), 0.5),
        ((3, 2), (32, 32), 1.0),
    ],
)
def test_the_centre_is_pillows(shape, size, crop):
    image = photo(1, *shape[::-1])
    ours = crops.center_crop(tf.constant(np.asarray(image)), size, crop)
    theirs = images.center_crop(image, size, crop)
    assert ours.shape == theirs.shape
    assert abs(ours.numpy().astype(int) - theirs).max() <= 2


@pytest.mark.parametrize("lies", [False, True])
def test_a_thread_of_an_image_fits_into_memory(lies):
    """Resized whole it would take 47 GB; its middle is a ramp of one grey."""
    ramp = (np.arange(60_000) // 2 % 256).astype("uint8")
    array = np.repeat(ramp[None, :, None], 3, axis=2)
    array = array if lies else array.transpose(1, 0, 2)
    crop = crops.center_crop(tf.constant(array), (224, 224)).numpy()
    theirs = images.center_crop(Image.fromarray(array), (224, 224))
    assert abs(crop.astype(int) - theirs).max() <= 2
    assert abs(crop.astype(int) - ramp[30_000]).max() <= 1
