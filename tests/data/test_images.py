"""Reading and cropping pictures."""

import os

import numpy as np
import pytest
from PIL import Image, ImageOps

from keras_senet.data.images import (
    ImageError,
    center_crop,
    find_images,
    read_image,
    upright,
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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_opened_image_is_what_its_path_is(tmp_path, picture, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(
            upright(image), read_image(tmp_path / "a.png")
        )
        theirs = ImageOps.exif_transpose(image)
    np.testing.assert_array_equal(upright(image), theirs)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (".", "it is a folder"),
        ("https://example.org/a.jpg", "download the image first"),
        ("nowhere.jpg", "no such file"),
    ],
)
def test_what_is_no_file_says_so(path, reason):
    with pytest.raises(ImageError, match=reason):
        read_image(path)


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


def test_only_files_of_the_users_are_found(tmp_path, picture):
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("folder.jpg/1.png", "._1.jpg", ".hidden/2.jpg", "3.jpg"):
        (tmp_path / name).write_bytes(b"")
    found = find_images([tmp_path])
    assert [p.name for p in found] == ["3.jpg", "1.png"]


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to link")
def test_links_are_followed_and_may_lead_back(tmp_path, picture):
    (tmp_path / "photos" / "deeper").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpg").write_bytes(b"")
    (tmp_path / "photos" / "2.jpg").write_bytes(b"")
    links = {"there": "elsewhere", "deeper/back": "photos", "deeper/up": ""}
    for link, target in links.items():
        (tmp_path / "photos" / link).symlink_to(tmp_path / target)
    (tmp_path / "elsewhere" / "home").symlink_to(tmp_path / "photos")
    found = find_images([tmp_path / "photos"])
    assert [p.name for p in found] == ["2.jpg", "1.jpg"]


def test_an_empty_path_is_not_the_current_folder():
    with pytest.raises(ValueError, match="A path is empty"):
        find_images([""])


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


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize(("short", "long"), [(1, 60_000), (3, 900)])
def test_only_the_middle_of_a_long_image_is_resized(
    short, long, upright, monkeypatch
):
    """Whole it would take 16 GB; its middle is a ramp of one grey."""
    ramp = (np.arange(long) // 2 % 256).astype("uint8")
    image = Image.fromarray(np.repeat(ramp[None], short, axis=0))
    if upright:
        image = image.transpose(Image.Transpose.TRANSPOSE)
    resize, sizes = Image.Image.resize, []

    def watched(image, size, *arguments):
        sizes.append(size)
        return resize(image, size, *arguments)

    monkeypatch.setattr(Image.Image, "resize", watched)
    result = center_crop(image, (64, 64), 0.5)
    assert result.shape == (64, 64, 1)
    assert np.abs(result.astype(int) - ramp[long // 2]).max() <= short
    assert all(width * height < 2**20 for width, height in sizes)


def test_an_image_of_usual_sides_is_resized_whole(picture):
    """To the byte, also where a few of its pixels are cut off."""
    image = picture.resize((900, 60))
    whole = image.resize((480, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(
        center_crop(image, (32, 32), 1.0), np.asarray(whole)[:, 224:256]
    )


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
