"""Image files as arrays, cropped as a network wants them."""

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
# Times the part that a crop shows: the rest of an image is cut off unresized.
FAR = 32
_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


class ImageError(ValueError):
    """A file that can't be read as an image."""


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """Returns image files, with folders replaced by the images in them.

    Args:
        paths: files and folders. Folders are searched as `images_in` does;
            files are taken as they are.

    Returns:
        List of paths, those of a folder in sorted order.

    Raises:
        ValueError: if a path is empty, or a folder has no image.
    """
    found = []
    for path in paths:
        # For pathlib it would be the current folder.
        if not os.fspath(path):
            raise ValueError(
                "A path is empty. Give the path of an image or of a folder, "
                "such as '.' for the current one."
            )
        path = Path(path)
        if not _is_folder(path):
            found.append(path)
            continue
        inside = sorted(images_in(path))
        if not inside:
            raise ValueError(
                f"The folder {str(path)!r} has no image. Looked for names that "
                f"end in {', '.join(SUFFIXES)}."
            )
        found += inside
    return found


def images_in(folder: str | Path) -> Iterator[Path]:
    """Finds the images of a folder, by their names.

    Args:
        folder: the folder; it is searched to any depth, through links too, for
            names that end in one of `SUFFIXES`. Names that begin with a dot
            are passed over, folders as well: macOS writes `._1.jpg` beside
            `1.jpg`.

    Yields:
        Paths in no order.
    """
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name[0] != "."]
        # A link may lead back to where it is.
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in files:
            if name[0] != "." and name.lower().endswith(SUFFIXES):
                yield Path(place, name)


def _is_folder(path):
    try:
        return path.is_dir()
    except OSError:
        # Such as a name that is too long; reading it will say so.
        return False


def read_image(path: str | Path | BinaryIO, mode: str = "RGB") -> Image.Image:
    """Reads an image file, turned as its camera says.

    Args:
        path: the file, or what it holds, open for reading; any format that
            Pillow reads.
        mode: `"RGB"` or `"L"` (grey). Defaults to `"RGB"`.

    Returns:
        A `PIL.Image.Image`.

    Raises:
        ImageError: if there is no such file or it is no whole image.
    """
    try:
        with Image.open(path) as image:
            return upright(image, mode)
    # Pillow's decoders raise whatever a damaged file makes them stumble over.
    except Exception as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = "it is no image"
        if isinstance(error, FileNotFoundError):
            reason = "there is no such file"
            if str(path).startswith(("http:", "https:")):
                reason = "it is an address; download the image first"
        if isinstance(error, IsADirectoryError):
            reason = "it is a folder; name the images in it"
        # What it holds has no name; whoever opened it knows its file's.
        name = path if isinstance(path, (str, Path)) else "an image"
        raise ImageError(f"{name} can't be read: {reason}") from error


def upright(image: Image.Image, mode: str = "RGB") -> Image.Image:
    """Turns an image as its camera says, in 8 bits a channel.

    Args:
        image: the image.
        mode: `"RGB"` or `"L"` (grey). Defaults to `"RGB"`.

    Returns:
        A `PIL.Image.Image` of that mode.

    Raises:
        OSError: (among others) if its file is damaged.
    """
    # What is said of the camera may come behind the pixels.
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        # 16 bits a pixel, which convert() would clip at 255.
        image = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
    return image.convert(mode)


def center_crop(
    image: Image.Image,
    size: tuple[int, int] = (224, 224),
    crop: float = 0.875,
    interpolation: str = "bilinear",
) -> np.ndarray:
    """Resizes an image and cuts out its centre, as networks are evaluated.

    Args:
        image: the image.
        size: height and width of the crop in pixels. Defaults to `(224, 224)`.
        crop: part of the resized image that the crop keeps, along the side
            that fits tighter. Defaults to `0.875`: 224 of 256 pixels.
        interpolation: `"bilinear"` or `"bicubic"`. Defaults to `"bilinear"`.

    Returns:
        Array of shape `(*size, channels)`, uint8.
    """
    height, width = size
    # Rounded down, as 320 of 365 pixels is usual for 320 / 0.875.
    target_height, target_width = (
        math.floor(side / crop + 1e-6) for side in size
    )
    scale = max(target_height / image.height, target_width / image.width)
    image = _without_far_ends(image, width / scale, height / scale)
    resized = image.resize(
        (
            max(width, round(image.width * scale)),
            max(height, round(image.height * scale)),
        ),
        _FILTERS[interpolation],
    )
    left = (resized.width - width) // 2
    top = (resized.height - height) // 2
    cropped = resized.crop((left, top, left + width, top + height))
    array = np.asarray(cropped)
    return array if array.ndim == 3 else array[..., None]


def _without_far_ends(image, width, height):
    """Cuts an image that is very long to a few times what its crop shows.

    Resized whole, 1 x 60,000 pixels would fill the memory.
    """
    spare = [
        max(0, math.floor((there - FAR * shown) / 2))
        for there, shown in ((image.width, width), (image.height, height))
    ]
    if not any(spare):
        return image
    left, top = spare
    return image.crop((left, top, image.width - left, image.height - top))
