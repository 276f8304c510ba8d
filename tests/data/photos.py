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
