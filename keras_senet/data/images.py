"""Image files as arrays, cropped as a network wants them."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


class ImageError(ValueError):
    """A file that can't be read as an image."""


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """Returns image files, with folders replaced by the images in them.

    Args:
        paths: files and folders. Folders are searched to any depth for names
            that end in one of `SUFFIXES`; files are taken as they are.

    Returns:
        List of paths, those of a folder in sorted order.

    Raises:
        ValueError: if a folder has no image.
    """
    found = []
    for path in map(Path, paths):
        if not _is_folder(path):
            found.append(path)
            continue
        inside = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SUFFIXES and file.is_file()
        )
        if not inside:
            raise ValueError(
                f"The folder {str(path)!r} has no image. Looked for names that "
                f"end in {', '.join(SUFFIXES)}."
            )
        found += inside
    return found


def _is_folder(path):
    try:
        return path.is_dir()
    except OSError:
        # Such as a name that is too long; reading it will say so.
        return False


def read_image(path: str | Path, mode: str = "RGB") -> Image.Image:
    """Reads an image file, turned as its camera says.

    Args:
        path: the file; any format that Pillow reads.
        mode: `"RGB"` or `"L"` (grey). Defaults to `"RGB"`.

    Returns:
        A `PIL.Image.Image`.

    Raises:
        ImageError: if there is no such file or it is no whole image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):
                # 16 bits a pixel, which convert() would clip at 255.
                image = Image.fromarray(
                    (np.asarray(image) >> 8).astype("uint8")
                )
            return image.convert(mode)
    # Pillow's decoders raise whatever a damaged file makes them stumble over.
    except Exception as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = "it is no image"
        if isinstance(error, FileNotFoundError):
            reason = "there is no such file"
        raise ImageError(f"{path} can't be read: {reason}") from error


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
