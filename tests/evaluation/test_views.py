"""Views against Pillow's resize and numpy's slices."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_senet.evaluation import views

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def photo(width, height):
    """A picture that is smooth and not the same in any of its parts."""
    small = np.random.default_rng(0).integers(0, 255, (5, 7, 3), "uint8")
    return Image.fromarray(small).resize((width, height), FILTERS["bicubic"])


def encoded(image):
    file = io.BytesIO()
    image.save(file, "png")
    return tf.constant(file.getvalue())


def resized(image, short, interpolation="bilinear"):
    scale = short / min(image.size)
    sides = [round(side * scale) for side in image.size]
    return np.asarray(image.resize(sides, FILTERS[interpolation]), "int32")


def five(array, size):
    """Corners and centre, as numpy cuts them."""
    height, width = array.shape[:2]
    top, left = (height - size) // 2, (width - size) // 2
    return [
        array[:size, :size],
        array[:size, -size:],
        array[-size:, :size],
        array[-size:, -size:],
        array[top : top + size, left : left + size],
    ]


def same(ours, theirs):
    """Equal but for rounding, which Pillow does twice."""
    assert ours.dtype == np.uint8
    assert ours.shape == np.shape(theirs)
    assert abs(ours.astype(int) - theirs).max() <= 2


@pytest.mark.parametrize("shape", [(500, 375), (333, 500), (300, 300)])
@pytest.mark.parametrize("interpolation", FILTERS)
def test_ten_are_corners_and_centre_and_their_mirror_images(
    shape, interpolation
):
    image = photo(*shape)
    ours = views.ten(encoded(image), (224, 224), 0.875, interpolation).numpy()
    crops = five(resized(image, 256, interpolation), 224)
    same(ours, crops + [crop[:, ::-1] for crop in crops])


@pytest.mark.parametrize(
    ("size", "crop", "short"),
    [(224, 0.875, 256), (299, 299 / 352, 352), (320, 0.875, 365), (32, 1, 32)],
)
def test_the_centre_is_cut_of_the_sizes_of_the_paper(size, crop, short):
    image = photo(500, 375)
    ours = views.center(encoded(image), (size, size), crop).numpy()
    same(ours, five(resized(image, short), size)[4:])


def test_multi_is_ten_at_four_sizes():
    image = photo(400, 300)
    ours = views.multi(encoded(image), (224, 224)).numpy()
    assert len(ours) == 40
    for number, short in enumerate((256, 288, 320, 352)):
        crops = five(resized(image, short), 224)
        crops += [crop[:, ::-1] for crop in crops]
        same(ours[10 * number : 10 * (number + 1)], crops)


def test_pixels_of_the_right_size_stay_as_they_are(rng):
    pixels = rng.integers(0, 255, (32, 32, 1), "uint8")
    np.testing.assert_array_equal(
        views.center(tf.constant(pixels), (32, 32), 1.0)[0], pixels
    )


def test_crops_need_not_be_square():
    image = photo(120, 90)
    ours = views.ten(encoded(image), (40, 60), 0.8).numpy()
    # 50 x 75 is wanted; of 90 x 120 the width fits tighter.
    array = np.asarray(image.resize((75, 56), FILTERS["bilinear"]), "int32")
    same(ours[:1], [array[:40, :60]])
    same(ours[3:4], [array[-40:, -60:]])
    same(ours[4:5], [array[8:48, 7:67]])
