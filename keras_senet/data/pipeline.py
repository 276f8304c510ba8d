"""Folders of images as batches, read fast enough for training.

TensorFlow's engine is the point: it decodes the part of a JPEG that a crop
keeps, at the resolution that it needs, on all cores and without Python.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_senet.data.images import SUFFIXES
from keras_senet.device import available_cores

# What a random crop keeps of an image: part of the area, and width / height
# (Szegedy et al. 2015, and every recipe for ImageNet since).
AREA = (0.08, 1.0)
ASPECT = (3 / 4, 4 / 3)
# Crops tried until one fits into the image, else its middle is taken.
ATTEMPTS = 10
# The scales at which a JPEG can be decoded.
RATIOS = (8, 4, 2, 1)


def find_classes(folder: str | Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Finds the images of a folder that has a folder per class.

    Args:
        folder: the folder, such as ImageNet's `train`. Its folders, in sorted
            order, are the classes; images in folders of theirs count as well.

    Returns:
        Paths of the images in sorted order, their classes (array of int32),
        and the names of the classes.

    Raises:
        ValueError: if there is no such folder, or a class without an image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(
            f"{str(folder)!r} is no folder. Give one that has a folder of "
            "images per class."
        )
    classes = sorted(p for p in folder.iterdir() if p.is_dir())
    paths, labels = [], []
    for label, one in enumerate(classes):
        found = sorted(
            str(p) for p in one.rglob("*") if p.suffix.lower() in SUFFIXES
        )
        if not found:
            raise ValueError(
                f"The class {str(one)!r} has no image. Looked for names that "
                f"end in {', '.join(SUFFIXES)}. Remove the folder, or fill it."
            )
        paths += found
        labels += [label] * len(found)
    if not paths:
        raise ValueError(
            f"{str(folder)!r} has no folders of images. Give one that has a "
            "folder per class, such as ImageNet's `train`."
        )
    return paths, np.array(labels, "int32"), [p.name for p in classes]


def image_folder(
    folder: str | Path,
    size: int | tuple[int, int] = 224,
    batch_size: int = 32,
    training: bool = True,
    augment: Callable | None = None,
    seed: int | None = None,
    epoch: int | None = None,
    crop: float = 0.875,
    threads: int | None = None,
):
    """Returns the images of a folder in batches, cropped and shuffled.

    Args:
        folder: a folder that has a folder of images per class.
        size: height and width of the images returned, in pixels; one number
            for both. Defaults to `224`.
        batch_size: images per batch; the last of an epoch may have fewer.
            Defaults to `32`.
        training: whether images are shuffled, cropped at random (8 to 100 % of
            the area, sides 3:4 to 4:3) and flipped by chance, or come in sorted
            order, cropped at the centre. Defaults to `True`.
        augment: function of an image (uint8, `(*size, 3)`) and a seed (two
            integers) that returns such an image, applied when training; see
            `keras_senet.data.augmentation`. Defaults to `None`.
        seed: integer that decides everything random: with it two runs give the
            same batches. Defaults to `None`: other ones every time, in the
            order in which they are ready.
        epoch: integer; with `seed` the dataset is that of this epoch whenever
            it is read. Defaults to `None`: every pass over the dataset is
            shuffled and cropped anew.
        crop: part of the resized image's short side that the centre crop
            keeps. Defaults to `0.875`: 224 of 256 pixels.
        threads: number of threads that read. Defaults to `None`: as many as
            there are cores.

    Returns:
        `tf.data.Dataset` of pairs: images, uint8 of shape `(batch, *size, 3)`,
        and labels, int32 of shape `(batch,)`. Its
        attribute `class_names` lists the names of the classes.

    Raises:
        ValueError: if the folder has no images, or an argument is none.
        ImportError: without TensorFlow.

    Example:

    >>> batches = image_folder("photos/train", size=32, seed=1)
    >>> images, labels = next(iter(batches))
    >>> tuple(images.shape), batches.class_names
    ((2, 32, 32, 3), ['cat', 'dog'])
    """
    import tensorflow as tf

    size = (size, size) if isinstance(size, int) else tuple(size)
    if len(size) != 2 or not all(type(n) is int and n > 0 for n in size):
        raise ValueError(
            f"`size` is {size!r}. Allowed: a number of pixels, or a pair "
            "(height, width)."
        )
    if type(batch_size) is not int or batch_size < 1:
        raise ValueError(
            f"`batch_size` is {batch_size!r}. Allowed: an integer of at least "
            "1."
        )
    if epoch is not None and seed is None:
        raise ValueError(
            f"`epoch` is {epoch!r} without a `seed`, which decides what an "
            "epoch is. Give both."
        )
    if threads is None:
        threads = available_cores()
    if type(threads) is not int or threads < 1:
        raise ValueError(
            f"`threads` is {threads!r}. Allowed: an integer of at least 1."
        )
    paths, labels, class_names = find_classes(folder)
    paths, labels = tf.constant(paths), tf.constant(labels)
    count = len(labels)

    if training:
        numbers = _keys(seed, epoch).flat_map(lambda key: _a_pass(count, key))
    else:
        numbers = tf.data.Dataset.range(count)

    def load(number, *random):
        data = tf.io.read_file(paths[number])
        if not training:
            return center_crop(data, size, crop), labels[number]
        image = random_crop(data, size, random[0])
        if augment is not None:
            image = augment(image, random[1])
        return image, labels[number]

    batches = numbers.map(
        load,
        num_parallel_calls=threads,
        deterministic=seed is not None or not training,
    )
    batches = batches.batch(batch_size).prefetch(2)
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    # There is nothing left to tune, and it delays the end of a pass by 0.1 s.
    options.autotune.enabled = False
    # The images of a pass are known, which progress bars want to know too.
    batches = batches.apply(
        tf.data.experimental.assert_cardinality(-(-count // batch_size))
    ).with_options(options)
    batches.class_names = class_names
    return batches


def _keys(seed, epoch):
    """A dataset of one pair of numbers, another on every pass over it."""
    import tensorflow as tf

    if epoch is not None:
        return tf.data.Dataset.from_tensors(
            tf.constant([seed, epoch], tf.int64)
        )
    random = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    return random.batch(2).take(1)


def _a_pass(count, key):
    """Per image of a pass its number, its random crop and a seed of its own."""
    import tensorflow as tf

    key = tf.bitcast(key, tf.int32)[:, 0] if key.dtype == tf.int64 else key
    # All at once, which costs less than numbers for one image at a time.
    order, crops, seeds = tf.unstack(
        tf.random.experimental.stateless_split(key, 3)
    )
    return tf.data.Dataset.from_tensor_slices(
        (
            tf.random.experimental.stateless_shuffle(
                tf.range(count, dtype=tf.int64), seed=order
            ),
            tf.random.stateless_uniform((count, 4, ATTEMPTS), crops),
            tf.random.experimental.stateless_split(seeds, count),
        )
    )


def random_crop(data, size: tuple[int, int], random):
    """Decodes a random part of an image, resized and by chance flipped.

    Args:
        data: scalar string tensor, the content of an image file.
        size: height and width of the result in pixels.
        random: tensor of shape `(4, ATTEMPTS)` of numbers in [0, 1) that decide
            what is random.

    Returns:
        Tensor of shape `(*size, 3)`, uint8.
    """
    import tensorflow as tf

    flip = random[3, 1] < 0.5

    def from_jpeg():
        shape = tf.image.extract_jpeg_shape(data)
        return _decode_window(data, _random_window(shape, random), size)

    def from_other():
        image = tf.io.decode_image(data, channels=3, expand_animations=False)
        top, left, height, width = tf.unstack(
            _random_window(tf.shape(image), random)
        )
        return image[top : top + height, left : left + width]

    image = tf.cond(tf.io.is_jpeg(data), from_jpeg, from_other)
    image = tf.raw_ops.ResizeBilinear(
        images=image[None], size=size, half_pixel_centers=True
    )[0]
    image = tf.cast(image + 0.5, tf.uint8)
    return tf.cond(flip, lambda: tf.reverse(image, [1]), lambda: image)


def _random_window(shape, random):
    """A random part of an image: top, left, height and width in pixels."""
    import tensorflow as tf

    height, width = tf.unstack(tf.cast(shape[:2], tf.float32))
    area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * random[0])
    low, high = np.log(ASPECT).astype("float32")
    aspect = tf.exp(low + (high - low) * random[1])
    sides = tf.round(tf.sqrt(area * tf.stack([1 / aspect, aspect])))
    fits = tf.reduce_all((sides >= 1) & (sides <= [[height], [width]]), axis=0)
    first = tf.argmax(fits)
    # Else the middle, with sides as near to the image's as allowed.
    middle = tf.stack(
        [
            tf.minimum(height, tf.round(width / ASPECT[0])),
            tf.minimum(width, tf.round(height * ASPECT[1])),
        ]
    )
    found = fits[first]
    sides = tf.where(found, sides[:, first], middle)
    place = tf.where(found, random[2:, 0], 0.5)
    corner = tf.floor(([height, width] - sides + 1) * place)
    return tf.cast(tf.concat([corner, sides], 0), tf.int32)


def center_crop(data, size: tuple[int, int], crop: float = 0.875):
    """Decodes an image, resizes it and cuts out its centre.

    Args:
        data: scalar string tensor, the content of an image file.
        size: height and width of the result in pixels.
        crop: part of the resized image that the crop keeps along the side that
            fits tighter. Defaults to `0.875`.

    Returns:
        Tensor of shape `(*size, 3)`, uint8; that of
        `keras_senet.data.images.center_crop` but for rounding.
    """
    import tensorflow as tf

    # The accurate way to decode, which is Pillow's: TensorFlow's own default is
    # up to nine of 255 away from it.
    image = tf.cond(
        tf.io.is_jpeg(data),
        lambda: tf.io.decode_jpeg(data, 3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(data, 3, expand_animations=False),
    )
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    target = [np.floor(side / crop + 1e-6) for side in size]
    scale = tf.reduce_max(tf.constant(target, tf.float32) / shape)
    resized = tf.cast(tf.round(shape * scale), tf.int32)
    resized = tf.maximum(resized, size)
    image = tf.image.resize(image, resized, antialias=True)
    top, left = (resized[0] - size[0]) // 2, (resized[1] - size[1]) // 2
    image = image[top : top + size[0], left : left + size[1]]
    image = tf.ensure_shape(image, (*size, 3))
    return tf.saturate_cast(tf.round(image), tf.uint8)


def _decode_window(data, window, size):
    """The pixels of a window of a JPEG, and no more of them than are needed.

    A JPEG can be decoded at an eighth, a quarter or half of its size, which
    averages pixels as a resize with antialiasing would. The smallest that still
    has more pixels than asked for is taken.
    """
    import tensorflow as tf

    def decode(ratio):
        # The window in pixels of the reduced image, its ends to the nearest.
        corner = (window[:2] + ratio // 2) // ratio
        end = (window[:2] + window[2:] + ratio // 2) // ratio
        scaled = tf.concat([corner, tf.maximum(end - corner, 1)], 0)
        return tf.image.decode_and_crop_jpeg(
            data, scaled, channels=3, ratio=ratio
        )

    spare = tf.reduce_min(window[2:] // size)
    which = tf.argmax(spare >= RATIOS, output_type=tf.int32)
    branches = [lambda ratio=ratio: decode(ratio) for ratio in RATIOS]
    # The last also where there is nothing to spare, and argmax gives 0.
    which = tf.where(spare < 2, len(RATIOS) - 1, which)
    return tf.switch_case(which, branches)
