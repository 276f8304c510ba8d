"""The gates of a network's SE blocks (the paper's section 7.2)."""

from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_senet.analysis.batches import batches, check_count, check_labels
from keras_senet.layers import SqueezeExcite

# A gate so near to zero or one counts as closed or open.
NEAR = 0.1
# Gates whose mean differs by less than this (standard deviation over the
# classes) count as the same for every class.
CONSTANT = 0.02
# Gates that vary less are the same for every image.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Excitations:
    """The gates of every SE block on some images, per class.

    Attributes:
        network: name of the model.
        images: number of images per class, array of int64.
        mean: name of the SE layer -> mean gates, float64 of shape `(classes,
            channels)`; NaN for a class without an image.
        std: the same of the standard deviations over a class' images (divided
            by their number, as numpy's).
        closed: name of the SE layer -> part of all images, 0 to 1, whose gate
            is within 0.1 of zero, float64 of shape `(channels,)`.
        open: the same of gates within 0.1 of one.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> photos = np.zeros((4, 32, 32, 3))
    >>> found = keras_senet.analysis.excitations(model, photos, [0, 1, 1, 1])
    >>> mean, std = found.overall("conv4_block3_se")
    >>> mean.shape, float(std.max()) < 1e-6
    ((64,), True)

    Reference:
        The paper's section 7.2, Figs. 6 and 7.
    """

    network: str
    images: np.ndarray
    mean: dict[str, np.ndarray]
    std: dict[str, np.ndarray]
    closed: dict[str, np.ndarray]
    open: dict[str, np.ndarray]

    def overall(self, block: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns mean and standard deviation over all images of all classes.

        Args:
            block: name of an SE layer.

        Returns:
            Two arrays of float64 of shape `(channels,)`.

        Raises:
            KeyError: if there is no such block.

        Example:

        >>> model = keras_senet.SEResNet20(weights="cifar10")
        >>> photos = np.zeros((4, 32, 32, 3))
        >>> found = excitations(model, photos, [0, 1, 1, 1])
        >>> mean, std = found.overall("conv4_block3_se")
        >>> mean.shape, std.shape
        ((64,), (64,))
        """
        there = self.images > 0
        weights = self.images[there, None] / self.images.sum()
        means = self.mean[block][there]
        mean = (weights * means).sum(0)
        within = (weights * self.std[block][there] ** 2).sum(0)
        between = (weights * (means - mean) ** 2).sum(0)
        return mean, np.sqrt(within + between)


def gates(
    model: keras.Model,
    images: np.ndarray | Iterable[np.ndarray],
    batch_size: int = 32,
) -> dict[str, np.ndarray]:
    """Returns the gates that a model's SE blocks give to each of some images.

    Args:
        model: a functional model with `SqueezeExcite` layers.
        images: array of shape `(count, *model.input_shape[1:])`, as the model
            takes them; or an iterable of such arrays.
        batch_size: images per step of an array. Defaults to `32`.

    Returns:
        Name of the SE layer -> float32 array of shape `(count, channels)`, in
        the order of the network. Gates per position (`squeeze="none"`) are
        averaged over the positions.

    Raises:
        ValueError: if the model has no SE block, or the images are no batch.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> found = gates(model, np.zeros((4, 32, 32, 3)))
    >>> found["conv4_block3_se"].shape
    (4, 64)

    Reference:
        The paper's section 7.2, Fig. 6.
    """
    parts = list(_gates_of(model, batches(images, model, batch_size)))
    return {name: np.concatenate([x[name] for x in parts]) for name in parts[0]}


def excitations(
    model: keras.Model,
    images: np.ndarray | Iterable[np.ndarray],
    labels: ArrayLike,
    batch_size: int = 32,
) -> Excitations:
    """Measures the gates of a model's SE blocks, class by class.

    The images are read once, a batch at a time: the memory depends on the
    classes and channels, not on the number of images.

    Args:
        model: a functional model with `SqueezeExcite` layers.
        images: array of shape `(count, *model.input_shape[1:])`, as the model
            takes them, which may be a memory map; or an iterable of such
            arrays, one per batch.
        labels: the class of each image, integers from 0 on, `(count,)`.
        batch_size: images per step of an array. Defaults to `32`.

    Returns:
        An `Excitations`.

    Raises:
        ValueError: if the model has no SE block, the images are no batch, or
            there is not one label per image.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> photos, labels = np.zeros((4, 32, 32, 3)), [0, 1, 1, 1]
    >>> found = keras_senet.analysis.excitations(model, photos, labels)
    >>> found.mean["conv4_block3_se"].shape, found.images
    ((2, 64), array([1, 3]))

    Reference:
        The paper's section 7.2, Figs. 6 and 7.
    """
    labels = check_labels(images, labels)
    classes = int(labels.max()) + 1
    moments, near, start = {}, {}, 0
    for found in _gates_of(model, batches(images, model, batch_size)):
        size = len(next(iter(found.values())))
        some = labels[start : start + size]
        check_count(len(some), size, labels)
        for name, values in found.items():
            values = values.astype("float64")
            if name not in moments:
                moments[name] = _Moments(classes, values.shape[1])
                near[name] = np.zeros((2, values.shape[1]))
            moments[name].add(values, some)
            near[name] += [
                (np.abs(values - target) <= NEAR).sum(0) for target in (0, 1)
            ]
        start += size
    check_count(len(labels), start, labels)
    return Excitations(
        network=model.name,
        images=np.bincount(labels, minlength=classes),
        mean={name: found.means() for name, found in moments.items()},
        std={name: found.deviations() for name, found in moments.items()},
        closed={name: found[0] / start for name, found in near.items()},
        open={name: found[1] / start for name, found in near.items()},
    )


def role(found: Excitations) -> list[dict]:
    """Says in numbers what each SE block does, from the first to the last.

    Args:
        found: what `excitations` returned.

    Returns:
        A dictionary per block:
        `"block"`, `"channels"`;
        `"mean"`, the mean gate;
        `"std"`, a gate's standard deviation over the images, mean over the
        channels;
        `"closed"` and `"open"`, the parts of the gates within 0.1 of zero and
        of one;
        `"constant"`, the part of the channels whose mean gates have a standard
        deviation over the classes below 0.02;
        `"correlation"`, Pearson's, of two classes' mean gates over the
        channels, mean over all pairs;
        `"class_share"`, the part of the gates' variance over images that is
        between the classes: 0 if gates tell nothing of the class.
        The last two are NaN for less than two classes, and the last where the
        gates are the same for every image.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> photos = 255 * np.random.rand(4, 32, 32, 3)
    >>> rows = role(excitations(model, photos, [0, 0, 1, 1]))
    >>> rows[-1]["block"], rows[-1]["channels"]
    ('conv4_block3_se', 64)

    Reference:
        The paper's section 7.2: early blocks excite alike for all classes,
        later ones are specific, and the last saturate.
    """
    there = found.images > 0
    weights = found.images[there, None] / found.images.sum()
    rows = []
    for name, means in found.mean.items():
        means = means[there]
        mean, deviation = found.overall(name)
        between = (weights * (means - mean) ** 2).sum(0).sum()
        total = (deviation**2).sum()
        rows.append(
            {
                "block": name,
                "channels": len(mean),
                "mean": float(mean.mean()),
                "std": float(deviation.mean()),
                "closed": float(found.closed[name].mean()),
                "open": float(found.open[name].mean()),
                "constant": float((means.std(0) < CONSTANT).mean()),
                "correlation": _correlation(means),
                "class_share": (
                    float(between / total)
                    if len(means) > 1 and deviation.max() > ROUNDING
                    else np.nan
                ),
            }
        )
    return rows


def _correlation(means):
    """The mean over all pairs of rows."""
    count = len(means)
    if count < 2 or not means.std(1).all():
        return float("nan")
    every = np.corrcoef(means)
    return float((every.sum() - np.trace(every)) / (count * (count - 1)))


def se_blocks(model: keras.Model) -> list[SqueezeExcite]:
    """Returns the SE blocks of a model.

    Args:
        model: a functional model.

    Returns:
        A list in the order of the network.

    Raises:
        ValueError: if it has none.
    """
    found = [x for x in model.layers if isinstance(x, SqueezeExcite)]
    if not found:
        raise ValueError(
            f"{model.name} has no SqueezeExcite layer whose gates could be "
            "read. Give a network with SE blocks, such as SEResNet20 (of a "
            "model that is nested in another, give the inner one)."
        )
    return found


def _gates_of(model, parts: Iterable):
    """Name of the SE layer -> gates of each image, batch by batch."""
    blocks = se_blocks(model)
    reader = keras.Model(
        model.input, {x.name: _Gates(x)(x.input) for x in blocks}
    )
    for part in parts:
        found = reader.predict_on_batch(part)
        yield {block.name: found[block.name] for block in blocks}


class _Gates(keras.layers.Layer):
    """The gates of a block, one per channel, without the map."""

    def __init__(self, block):
        super().__init__(dtype=block.dtype_policy)
        self.block = block

    def call(self, x):
        found = keras.ops.cast(self.block.excite(x), "float32")
        first = self.block.data_format == "channels_first"
        positions = (
            range(2, len(x.shape)) if first else range(1, len(x.shape) - 1)
        )
        return keras.ops.mean(found, axis=tuple(positions))


class _Moments:
    """Mean and variance per class, batch by batch (Chan et al. 1983)."""

    def __init__(self, classes, channels):
        self.counts = np.zeros((classes, 1))
        self.mean = np.zeros((classes, channels))
        self.squares = np.zeros((classes, channels))

    def add(self, values, labels):
        for label in np.unique(labels):
            some = values[labels == label]
            mean, count = some.mean(0), self.counts[label]
            total, shift = count + len(some), mean - self.mean[label]
            self.squares[label] += ((some - mean) ** 2).sum(0)
            self.squares[label] += shift**2 * count * len(some) / total
            self.mean[label] += shift * len(some) / total
            self.counts[label] = total

    def means(self):
        return np.where(self.counts > 0, self.mean, np.nan)

    def deviations(self):
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.squares / self.counts)
