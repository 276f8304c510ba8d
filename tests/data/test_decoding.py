"""Files decoded in TensorFlow against what Pillow reads of them."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from photos import file_of, photo
from PIL import Image, ImageOps

from keras_senet.data import crops, decoding


def exif(orientation, order):
    """EXIF with a description and how the camera was held (TIFF 6.0)."""
    words = b"a camera\0\0"
    return (
        b"Exif\0\0"
        + (b"II" if order == "<" else b"MM")
        + struct.pack(f"{order}HLH", 42, 8, 2)
        # Tag, type (2 is text, 3 a number of 16 bits), count, value or place.
        + struct.pack(f"{order}HHLL", 0x010E, 2, len(words), 38)
        + struct.pack(f"{order}HHLHH", 0x0112, 3, 1, orientation, 0)
        + struct.pack(f"{order}L", 0)
        + words
    )


def by_pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        return np.asarray(upright.convert("RGB")).astype(int)


# What comes before EXIF: nothing but JFIF's segment, Adobe's, or neither.
KINDS = {
    "jfif": {"quality": 95},
    "adobe": {"quality": 95, "keep_rgb": True},
    "neither": {"quality": 95},
}


def jpeg(orientation, order, kind):
    image = photo(1, 60, 40)
    data = file_of(image, "JPEG", exif=exif(orientation, order), **KINDS[kind])
    if kind == "neither":
        # Without the segment of 18 bytes behind the start of the file.
        assert data[2:4] == b"\xff\xe0"
        data = data[:2] + data[20:]
    return data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_turned_as_pillow_turns_it(orientation, order, kind):
    data = jpeg(orientation, order, kind)
    theirs = by_pillow(data)
    assert theirs.shape[:2] == ((40, 60) if orientation < 5 else (60, 40))
    assert decoding.orientation(tf.constant(data)).numpy() == orientation
    ours = decoding.decode(tf.constant(data)).numpy()
    assert ours.shape == theirs.shape
    assert abs(ours - theirs).max() <= 2


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_an_orientation_that_is_none_turns_nothing(orientation):
    data = jpeg(orientation, "<", "jfif")
    assert decoding.orientation(tf.constant(data)).numpy() == 1


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"Exif", b"no image"])
def test_what_is_no_image_has_no_orientation(data):
    assert decoding.orientation(tf.constant(data)).numpy() == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_pillows(orientation):
    image = photo(2, 30, 20)
    image.getexif()[0x0112] = orientation
    ours = decoding.turn(
        tf.constant(np.asarray(image)), tf.constant(orientation)
    )
    np.testing.assert_array_equal(ours, ImageOps.exif_transpose(image))


@pytest.mark.parametrize("size", [(20, 20), (24, 16)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_random_crop_is_of_the_turned_image(orientation, size, rng):
    """Of a picture that gets redder to the right and greener downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, 90), np.linspace(0, 255, 60))
    seen = Image.fromarray(np.stack([x, y, 0 * x], -1).astype("uint8"))
    # The turn that undoes this one.
    seen.getexif()[0x0112] = {6: 8, 8: 6}.get(orientation, orientation)
    stored = ImageOps.exif_transpose(seen)
    data = file_of(stored, "JPEG", quality=95, exif=exif(orientation, "<"))
    random = rng.random((4, crops.ATTEMPTS)).astype("float32")
    random[3, 1] = 0.9
    crop = crops.random_crop(tf.constant(data), size, tf.constant(random))
    assert crop.shape == (*size, 3)
    crop = crop.numpy().astype(int)
    middle = crop[2:-2, 2:-2]
    assert (np.diff(middle[..., 0].mean(0)) > 0).all()
    assert (np.diff(middle[..., 1].mean(1)) > 0).all()


TRANSPARENT = photo(3, 60, 40).convert("RGBA")
TRANSPARENT.putalpha(photo(4, 60, 40).convert("L"))
OPAQUE = photo(3, 60, 40)
GREY_16 = Image.fromarray(np.asarray(OPAQUE)[..., 0].astype("uint16") * 257)
TURNED = Image.Exif()
TURNED[0x0112] = 6
FILES = {
    "png": (OPAQUE, "PNG", {}),
    "png, transparent": (TRANSPARENT, "PNG", {}),
    "png, palette": (OPAQUE.quantize(20), "PNG", {"transparency": 3}),
    "png, grey": (OPAQUE.convert("L"), "PNG", {}),
    "png, 16 bits": (GREY_16, "PNG", {}),
    "png, turned": (OPAQUE, "PNG", {"exif": TURNED}),
    "png, turned, with a profile": (
        OPAQUE,
        "PNG",
        {"exif": TURNED, "icc_profile": np.random.default_rng(0).bytes(3000)},
    ),
    "jpeg": (OPAQUE, "JPEG", {}),
    "jpeg, grey": (OPAQUE.convert("L"), "JPEG", {}),
    "jpeg, progressive": (OPAQUE, "JPEG", {"progressive": True}),
    "jpeg, cmyk": (OPAQUE.convert("CMYK"), "JPEG", {"exif": TURNED}),
    "bmp": (OPAQUE, "BMP", {}),
    "bmp, palette": (OPAQUE.quantize(20), "BMP", {}),
    "bmp, grey": (OPAQUE.convert("L"), "BMP", {}),
    "bmp, black and white": (OPAQUE.convert("1"), "BMP", {}),
    "gif": (OPAQUE, "GIF", {}),
    "gif, several": (
        OPAQUE,
        "GIF",
        {"save_all": True, "append_images": [photo(9, 60, 40)]},
    ),
    "webp": (OPAQUE, "WEBP", {"lossless": True}),
    "webp, turned": (OPAQUE, "WEBP", {"lossless": True, "exif": TURNED}),
    "webp, transparent": (TRANSPARENT, "WEBP", {"lossless": True}),
    "webp, several": (
        OPAQUE,
        "WEBP",
        {"save_all": True, "append_images": [photo(9, 60, 40)]},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_is_what_pillow_reads(name):
    image, kind, options = FILES[name]
    data = file_of(image, kind, **options)
    theirs = by_pillow(data)
    if name == "png, 16 bits":
        # Which Pillow's convert() clips.
        theirs = np.repeat(np.asarray(OPAQUE)[..., :1].astype(int), 3, -1)
    ours = decoding.decode(tf.constant(data)).numpy()
    assert ours.shape == theirs.shape
    assert abs(ours - theirs).max() <= 2
    # In a dataset as well, and cut.
    random = np.full((4, crops.ATTEMPTS), 0.5, "float32")
    [(again, crop)] = (
        tf.data.Dataset.from_tensors(data)
        .map(
            lambda d: (decoding.decode(d), crops.random_crop(d, (9, 8), random))
        )
        .as_numpy_iterator()
    )
    np.testing.assert_array_equal(again, ours)
    assert crop.shape == (9, 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP"])
def test_a_damaged_file_is_an_error(kind):
    data = file_of(photo(1, 60, 40), kind)
    for part in (data[: len(data) // 2], b"no image"):
        images = tf.data.Dataset.from_tensors(part).map(decoding.decode)
        with pytest.raises(tf.errors.InvalidArgumentError):
            list(images)
