"""What an evaluation found, of all images and of every class."""

import csv
import dataclasses
from pathlib import Path

import numpy as np

from keras_senet.replace import replaced


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """How good a network is on some images.

    Attributes:
        images: number of images that were counted.
        loss: mean cross-entropy in nats.
        top1: part of the images, 0 to 1, whose class has the highest score.
        top5: part of the images whose class is among the five highest scores;
            1 for fewer classes.
        class_names: names of the images' classes.
        per_class: of every class `"images"` (array of int64), `"top1"` and
            `"top5"` (arrays of float64; NaN for a class without an image).

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> result = evaluate(model, data="folder:photos")
    >>> result.images, result.per_class["images"]
    (2, array([1, 1]))
    """

    images: int
    loss: float
    top1: float
    top5: float
    class_names: list[str] = dataclasses.field(repr=False)
    per_class: dict[str, np.ndarray] = dataclasses.field(repr=False)

    def write_csv(self, path: str | Path) -> None:
        """Writes a row per class: its name, images, top-1 and top-5.

        The file is there once it is whole. The accuracies of a class without
        an image are empty.

        Args:
            path: the file.

        Raises:
            OSError: if it can't be written.

        Example:

        >>> ranks, losses = np.array([0, 2]), np.array([0.1, 2.5])
        >>> result = summarise(ranks, losses, np.array([0, 1]), ["cat", "dog"])
        >>> result.write_csv("classes.csv")
        >>> print(open("classes.csv").read().replace(chr(13), ""), end="")
        class,images,top1,top5
        cat,1,1.0,1.0
        dog,1,0.0,1.0
        """
        path = Path(path)
        with (
            replaced(path) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["class", *self.per_class])
            columns = [column.tolist() for column in self.per_class.values()]
            for name, images, *scores in zip(
                self.class_names, *columns, strict=True
            ):
                if not images:
                    scores = [""] * len(scores)
                writer.writerow([name, images, *scores])


def score(
    probabilities: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns how a network ranks the classes of images.

    Args:
        probabilities: array of shape `(images, classes)`.
        labels: the class of each image, integers.

    Returns:
        Of every image the number of classes ranked before its own (of equal
        scores the first class is before the others), int64; and its
        cross-entropy, float64. A probability of zero counts as the smallest
        that float32 has.

    Example:

    >>> score(np.array([[0.5, 0.25, 0.25]]), np.array([2]))[0]
    array([2])
    """
    rows = np.arange(len(labels))
    own = probabilities[rows, labels][:, None]
    before = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > own) | ((probabilities == own) & before)
    tiny = np.finfo("float32").tiny
    losses = -np.log(np.maximum(own[:, 0].astype("float64"), tiny))
    return ahead.sum(1), losses


def summarise(
    ranks: np.ndarray,
    losses: np.ndarray,
    labels: np.ndarray,
    class_names: list[str],
) -> Result:
    """Returns the result of images that were ranked.

    Args:
        ranks: of every image what `score` gives.
        losses: of every image what `score` gives.
        labels: of every image its class.
        class_names: names of the classes.

    Returns:
        A `Result`.
    """
    hits = {"top1": ranks < 1, "top5": ranks < 5}
    count = len(class_names)
    images = np.bincount(labels, minlength=count)
    per_class = {"images": images}
    with np.errstate(invalid="ignore"):
        for name, hit in hits.items():
            found = np.bincount(labels[hit], minlength=count)
            per_class[name] = found / images
    return Result(
        images=len(labels),
        loss=float(losses.mean()),
        **{name: float(hit.mean()) for name, hit in hits.items()},
        class_names=list(class_names),
        per_class=per_class,
    )
