"""RandAugment's operations against Pillow's own."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from keras_senet.data.augmentation import OPERATIONS, augment, rand_augment


@pytest.fixture(scope="module")
def photo():
    data = pytest.importorskip("skimage.data", reason="needs scikit-image")
    return Image.fromarray(data.astronaut()[:200, 100:330])


def pillow(operation, image, strength, sign):
    """What torchvision's RandAugment has Pillow do."""
    factor = 1 + 0.9 * strength * sign
    width, height = image.size
    shear = 0.3 * strength * sign
    middle_x, middle_y = (width - 1) / 2 + 0.5, (height - 1) / 2 + 0.5
    affine = {
        "shear_x": (1, shear, -shear * middle_y, 0, 1, 0),
        "shear_y": (1, 0, 0, shear, 1, -shear * middle_x),
        "translate_x": (1, 0, -int(150 / 331 * strength * width) * sign)
        + (0, 1, 0),
        "translate_y": (1, 0, 0)
        + (0, 1, -int(150 / 331 * strength * height) * sign),
    }
    if operation in affine:
        return image.transform(
            image.size, Image.Transform.AFFINE, affine[operation]
        )
    return {
        "identity": lambda: image,
        "rotate": lambda: image.rotate(30 * strength * sign),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "color": lambda: ImageEnhance.Color(image).enhance(factor),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "posterize": lambda: ImageOps.posterize(image, 8 - round(4 * strength)),
        "solarize": lambda: ImageOps.solarize(image, 255 * (1 - strength)),
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
    }[operation]()


GEOMETRIC = ("shear_x", "shear_y", "rotate")


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("magnitude", [0, 9, 30])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_pillows(photo, operation, magnitude, sign):
    array = np.asarray(photo)
    ours = augment(tf.constant(array), operation, magnitude, sign).numpy()
    theirs = np.asarray(
        pillow(operation, photo, magnitude / 30, int(sign)), "int32"
    )
    assert ours.dtype == np.uint8
    assert ours.shape == array.shape
    differ = (ours != theirs).any(axis=-1)
    if operation in GEOMETRIC:
        # Pixels between two, which fixed-point and floats round apart.
        assert differ.mean() < 0.02
    else:
        assert differ.mean() < 1e-3
        assert abs(ours - theirs).max() <= 1


def test_flat_and_two_coloured_images_survive():
    flat = np.full((9, 9, 3), 7, "uint8")
    half = flat.copy()
    half[:, 5:] = 250
    for array in (flat, half):
        for operation in ("autocontrast", "equalize", "contrast"):
            ours = augment(tf.constant(array), operation).numpy()
            theirs = pillow(operation, Image.fromarray(array), 0.3, 1)
            np.testing.assert_array_equal(ours, np.asarray(theirs))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 9), (3, 3)])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_small_images_survive(shape, operation, rng):
    array = rng.integers(0, 256, (*shape, 3), "uint8")
    ours = augment(tf.constant(array), operation).numpy()
    assert ours.shape == array.shape
    if operation not in GEOMETRIC:
        theirs = np.asarray(
            pillow(operation, Image.fromarray(array), 0.3, 1), "int32"
        )
        assert abs(ours - theirs).max() <= 1


def test_a_seed_decides(photo):
    array = tf.constant(np.asarray(photo))
    seeds = [[k, 1] for k in range(40)]
    once = [rand_augment(array, seed).numpy() for seed in seeds]
    again = [rand_augment(array, seed).numpy() for seed in seeds]
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len({image.tobytes() for image in once}) > 30
    np.testing.assert_array_equal(rand_augment(array, [1, 2], count=0), array)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"magnitude": 31}, "31"),
        ({"magnitude": 0.5}, "0 to 30"),
        ({"count": -1}, "at least 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, word):
    with pytest.raises(ValueError, match=word):
        rand_augment(tf.zeros((4, 4, 3), tf.uint8), [0, 0], **arguments)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (tf.zeros((4, 4, 3)), ["float32", "uint8"]),
        (tf.zeros((2, 4, 4, 3), tf.uint8), ["(2, 4, 4, 3)", "one image"]),
        (tf.zeros((4, 4, 1), tf.uint8), ["(4, 4, 1)", "(height, width, 3)"]),
    ],
)
def test_wrong_images_are_named(image, words):
    with pytest.raises(ValueError) as caught:
        rand_augment(image, [0, 0])
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_size_is_named():
    @tf.function(input_signature=[tf.TensorSpec((None, 4, 3), tf.uint8)])
    def augmented(image):
        return rand_augment(image, [0, 0])

    with pytest.raises(ValueError, match="known size"):
        augmented(tf.zeros((4, 4, 3), tf.uint8))
