"""Reading and cropping pictures."""

import numpy as np
import pytest
from PIL import Image

from keras_senet.data.images import (
    ImageError,
    center_crop,
    find_images,
    read_image,
)


@pytest.fixture
def picture(rng):
    return Image.fromarray(rng.integers(0, 255, (60, 90, 3), "uint8"))


@pytest.mark.parametrize("suffix", ["png", "webp", "bmp"])
def test_lossless_formats(tmp_path, picture, suffix):
    path = tmp_path / f"a.{suffix}"
    picture.save(path, lossless=True)
    np.testing.assert_array_equal(read_image(path), picture)


def test_jpeg(tmp_path):
    path = tmp_path / "a.JPEG"
    Image.new("RGB", (20, 10), (200, 100, 50)).save(path)
    assert np.abs(np.asarray(read_image(path)) - [200, 100, 50]).max() < 4


def test_a_camera_held_sideways(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.png", exif=exif)
    turned = np.asarray(read_image(tmp_path / "a.png"))
    np.testing.assert_array_equal(turned, np.rot90(np.asarray(picture), -1))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_other_modes_become_rgb(tmp_path, picture, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.convert(mode).save(path)
    image = read_image(path)
    assert image.mode == "RGB"
    assert image.size == (90, 60)


def test_sixteen_bits_are_not_clipped(tmp_path):
    grey = np.linspace(0, 65535, 256).astype("uint16").reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    result = np.asarray(read_image(tmp_path / "a.png"))[..., 0]
    np.testing.assert_array_equal(result, grey >> 8)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html></html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"],
)
def test_a_broken_file_is_an_image_error(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.jpg can't be read"):
        read_image(path)


def test_a_truncated_file_is_an_image_error(tmp_path, picture):
    path = tmp_path / "a.png"
    picture.save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ImageError, match="can't be read"):
        read_image(path)


def test_folders_are_searched_in_order(tmp_path, picture):
    (tmp_path / "b").mkdir()
    for name in ("b/2.PNG", "b/1.jpg", "a.webp"):
        picture.save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    found = find_images([tmp_path])
    assert [p.name for p in found] == ["a.webp", "1.jpg", "2.PNG"]
    missing = tmp_path / "missing.jpg"
    assert find_images([missing]) == [missing]


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="has no image"):
        find_images([tmp_path])


@pytest.mark.parametrize(
    ("shape", "size", "crop"),
    [
        ((256, 256), (224, 224), 0.875),
        ((500, 333), (224, 224), 0.875),
        ((333, 500), (299, 299), 299 / 352),
        ((40, 1000), (32, 32), 1.0),
        ((1, 7), (224, 224), 0.875),
        ((300, 200), (64, 128), 0.5),
    ],
)
def test_crop_has_its_size(shape, size, crop):
    image = Image.new("RGB", shape[::-1])
    assert center_crop(image, size, crop).shape == (*size, 3)


def test_the_crop_is_the_centre_of_the_resized_image(picture):
    """As torchvision: the short side to 48, then the centre 42x42."""
    resized = np.asarray(picture.resize((72, 48), Image.Resampling.BILINEAR))
    result = center_crop(picture, (42, 42), 42 / 48)
    np.testing.assert_array_equal(result, resized[3:45, 15:57])


@pytest.mark.parametrize(
    ("size", "crop", "short"),
    [(224, 0.875, 256), (299, 299 / 352, 352), (320, 0.875, 365)],
)
def test_the_usual_short_sides(size, crop, short):
    """An image of just that short side is not resized at all."""
    values = np.random.default_rng(0).integers(
        0, 255, (short, short, 3), "uint8"
    )
    result = center_crop(Image.fromarray(values), (size, size), crop)
    offset = (short - size) // 2
    np.testing.assert_array_equal(
        result, values[offset : offset + size, offset : offset + size]
    )
