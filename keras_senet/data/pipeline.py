"""Labelled images as batches, read fast enough for training, on tf.data."""

from collections.abc import Callable
from numbers import Real
from pathlib import Path

import numpy as np

from keras_senet.checks import integer, is_integer
from keras_senet.data.crops import (
    ATTEMPTS,
    center_crop,
    padded_crop,
    random_crop,
)
from keras_senet.data.folder import from_folder
from keras_senet.data.labelled import LabelledImages
from keras_senet.data.sampling import Sampler
from keras_senet.device import available_cores

# How an image is cut for training.
CROPS = {"random_size": random_crop, "padded": padded_crop}


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

    A damaged file ends a pass with an error of TensorFlow that does not name
    it; `keras_senet.data.readable.find_unreadable` finds all such files before.

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
    size = check_size(size)
    batch_size = integer("batch_size", batch_size)
    threads = threads if threads is None else integer("threads", threads)
    seed = seed if seed is None else integer("seed", seed, 0)
    epoch = epoch if epoch is None else integer("epoch", epoch, 0)
    if epoch is not None and seed is None:
        raise ValueError(
            f"`epoch` is {epoch!r} without a `seed`, which decides what an "
            "epoch is. Give both."
        )
    if not (isinstance(crop, Real) and 0 < crop <= 1):
        raise ValueError(
            f"`crop` is {crop!r}. Allowed: a number above 0 and up to 1."
        )
    if augment is not None and not callable(augment):
        raise ValueError(
            f"`augment` is {augment!r}. Allowed: a function of an image and a "
            "seed, such as keras_senet.data.augmentation.rand_augment, or None."
        )
    images = from_folder(Path(folder))
    count = len(images)
    if training:
        passes = iter(range(2**62)) if epoch is None else None
        drawn = (
            np.random.SeedSequence().entropy % 2**63 if seed is None else seed
        )
        sampler = Sampler(images.labels, drawn)

        def rows():
            number = epoch if passes is None else next(passes)
            for start in range(
                number * count, (number + 1) * count, batch_size
            ):
                stop = min(start + batch_size, (number + 1) * count)
                yield sampler.numbers(start, stop), *sampler.draws(start, stop)

        batches = _read_training(
            images,
            rows,
            lambda image, random: random_crop(image, size, random),
            augment,
            batch_size,
            threads,
            deterministic=seed is not None,
        )
    else:
        batches = evaluation_batches(
            images,
            lambda image: center_crop(image, size, crop),
            batch_size,
            threads=threads,
        ).map(lambda numbers, pixels, labels: (pixels, labels))
    # The images of a pass are known, which progress bars want to know too.
    import tensorflow as tf

    batches = batches.apply(
        tf.data.experimental.assert_cardinality(-(-count // batch_size))
    )
    batches.class_names = images.class_names
    return batches


def check_size(size):
    """Returns a size in pixels as a pair (height, width).

    Args:
        size: a number for both, or a pair.

    Returns:
        Pair of integers.

    Raises:
        ValueError: for anything else.
    """
    try:
        pair = tuple(size)
    except TypeError:
        pair = (size, size)
    if len(pair) != 2 or not all(is_integer(n) and n > 0 for n in pair):
        raise ValueError(
            f"`size` is {size!r}. Allowed: a number of pixels of at least 1, "
            "or a pair (height, width)."
        )
    return int(pair[0]), int(pair[1])


def training_batches(
    images: LabelledImages,
    sampler: Sampler,
    size: tuple[int, int],
    batch_size: int,
    steps: range,
    crop: str = "random_size",
    augment: Callable | None = None,
    part: tuple[int, int] = (0, 1),
    replicas: int = 1,
    threads: int | None = None,
):
    """Returns the batches of a run's steps, or one worker's part of them.

    Args:
        images: what is read.
        sampler: decides which images make up a step, and what is random.
        size: height and width of the images returned, in pixels.
        batch_size: images per step, of all workers together.
        steps: the numbers of the steps.
        crop: a key of `CROPS`. Defaults to `"random_size"`.
        augment: as for `image_folder`. Defaults to `None`.
        part: which worker this is, and of how many. Defaults to `(0, 1)`.
        replicas: devices of this worker, each of which gets batches of its own
            in turn. Defaults to `1`.
        threads: as for `image_folder`. Defaults to `None`.

    Returns:
        `tf.data.Dataset` of pairs: images, uint8, and labels, int32; per step
        `replicas` batches.
    """
    worker, workers = part
    mine = batch_size // workers
    first = worker * mine

    def rows():
        for step in steps:
            place = step * batch_size
            # Drawn for the whole step, so that it is the same with any number
            # of workers.
            draws = sampler.draws(place, place + batch_size)
            yield (
                sampler.numbers(place + first, place + first + mine),
                *(draw[first : first + mine] for draw in draws),
            )

    cut = CROPS[crop]
    return _read_training(
        images,
        rows,
        lambda image, random: cut(image, size, random),
        augment,
        mine // replicas,
        threads,
    )


def _read_training(
    images, rows, cut, augment, batch_size, threads, deterministic=True
):
    """Batches of the images that `rows` names, with what is random of each."""
    import tensorflow as tf

    labels = tf.constant(images.labels)

    def load(number, random, seed):
        image = cut(images.read(number), random)
        if augment is not None:
            image = augment(image, seed)
        return image, tf.gather(labels, number)

    signature = (
        tf.TensorSpec((None,), tf.int64),
        tf.TensorSpec((None, 4, ATTEMPTS), tf.float32),
        tf.TensorSpec((None, 2), tf.int32),
    )
    data = tf.data.Dataset.from_generator(rows, output_signature=signature)
    return _batched(data.unbatch(), load, batch_size, threads, deterministic)


def evaluation_batches(
    images: LabelledImages,
    cut: Callable,
    batch_size: int,
    numbers: np.ndarray | None = None,
    threads: int | None = None,
):
    """Returns images in order, cut as they are evaluated.

    Args:
        images: what is read.
        cut: function of an image (as `LabelledImages.read` gives it) that
            returns what the network gets of it.
        batch_size: images per batch; the last may have fewer.
        numbers: which images. Defaults to `None`: all.
        threads: as for `image_folder`. Defaults to `None`.

    Returns:
        `tf.data.Dataset` of triples: numbers, what `cut` made of the images,
        and labels.
    """
    import tensorflow as tf

    if numbers is None:
        numbers = np.arange(len(images))
    labels = tf.constant(images.labels)

    def load(number):
        return number, cut(images.read(number)), tf.gather(labels, number)

    data = tf.data.Dataset.from_tensor_slices(np.asarray(numbers, "int64"))
    return _batched(data, load, batch_size, threads)


def _batched(data, load, batch_size, threads, deterministic=True):
    import tensorflow as tf

    threads = threads or available_cores()
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    # There is nothing left to tune, and it delays the end of a pass by 0.1 s.
    options.autotune.enabled = False
    # Every worker reads its own part already.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    # Twice as many images as threads, so that none waits for the one that is
    # next in order.
    data = data.map(
        load, num_parallel_calls=2 * threads, deterministic=deterministic
    )
    return data.batch(batch_size).prefetch(2).with_options(options)
