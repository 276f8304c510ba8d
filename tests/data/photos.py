"""Pictures to read, cut and compare."""

import io

import numpy as np
from PIL import Image


def photo(seed, width, height):
    """A smooth picture, so that a resize can be compared."""
    small = np.random.default_rng(seed).integers(0, 255, (5, 7, 3), "uint8")
    return Image.fromarray(small).resize(
        (width, height), Image.Resampling.BICUBIC
    )


def file_of(image, kind, **options):
    """What a file of an image holds."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def put_photos(folder):
    """The pictures that the examples speak of."""
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            one = folder / "photos" / part / name
            one.mkdir(parents=True)
            Image.new("RGB", (80, 60), "red").save(one / "1.jpg")
    Image.new("RGB", (64, 48)).save(folder / "photo.jpg")
