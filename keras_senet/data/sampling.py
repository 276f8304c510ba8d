"""Which images make up a step, and what is random about each of them.

Everything follows from the seed and the place in the endless row of epochs, so
that a run that was interrupted goes on where it stopped, and any number of
workers takes its part without asking another.
"""

import functools

import numpy as np

from keras_senet.data.crops import ATTEMPTS

# What a sequence of random numbers is for: each has a seed of its own.
_EPOCH, _CROP, _CLASSES, _CLASS, _HOLDOUT = range(5)


class Sampler:
    """The order in which images are used, epoch after epoch without a gap.

    Place `p` is in epoch `p // len(labels)`. Batches are cut from this row, so
    that each is full, and one may reach over the end of an epoch.

    Args:
        labels: the classes of the images, array of integers.
        seed: integer that decides the order.
        balanced: whether every class comes equally often (class-aware sampling,
            as the paper trained on ImageNet and Places365: Shen, Lin and Huang
            2016): of every class one image in turn, in an order that changes,
            and every image of a class before one repeats. Defaults to `False`:
            every image once an epoch.
    """

    def __init__(self, labels: np.ndarray, seed: int, balanced: bool = False):
        self.count = len(labels)
        self.seed = seed
        self._members = None
        if balanced:
            order = np.argsort(labels, kind="stable")
            _, starts = np.unique(labels[order], return_index=True)
            self._members = np.split(order, starts[1:])
        # Of every class its present order, and a few of epochs.
        size = 2 * len(self._members or ()) + 8
        self._order = functools.lru_cache(size)(self._draw_order)

    def numbers(self, start: int, stop: int) -> np.ndarray:
        """Returns the images at places of the row.

        Args:
            start: the first place.
            stop: the place after the last.

        Returns:
            Array of `stop - start` numbers of images, int64.
        """
        places = np.arange(start, stop)
        pick = self._pick_balanced if self._members else self._pick
        return np.array([pick(int(place)) for place in places], "int64")

    def draws(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns what is random about the images at places of the row.

        Args:
            start: the first place.
            stop: the place after the last.

        Returns:
            Numbers in [0, 1) of shape `(stop - start, 4, ATTEMPTS)`, float32,
            for a crop; and seeds of shape `(stop - start, 2)`, int32.
        """
        random = np.random.default_rng([self.seed, _CROP, start])
        count = stop - start
        return (
            random.random((count, 4, ATTEMPTS), "float32"),
            random.integers(2**31, size=(count, 2), dtype="int32"),
        )

    def _pick(self, place):
        epoch, number = divmod(place, self.count)
        return self._order(self.count, _EPOCH, epoch)[number]

    def _pick_balanced(self, place):
        turn, number = divmod(place, len(self._members))
        label = self._order(len(self._members), _CLASSES, turn)[number]
        members = self._members[label]
        # Of every class one a turn, so that the turn says how many were used.
        again, number = divmod(turn, len(members))
        order = self._order(len(members), _CLASS, int(label), again)
        return members[order[number]]

    def _draw_order(self, count, *what):
        return np.random.default_rng([self.seed, *what]).permutation(count)


def hold_out(
    labels: np.ndarray, part: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Splits images in two, every class in the same proportion.

    Args:
        labels: the classes of the images, array of integers.
        part: part of every class that is held out, in (0, 1); at least one
            image, and at least one stays.
        seed: integer that decides which. Defaults to `0`.

    Returns:
        Numbers of the images that stay and of those held out, sorted.

    Raises:
        ValueError: for another part, or a class of one image.
    """
    if not 0 < part < 1:
        raise ValueError(
            f"`part` is {part!r}. Allowed: a number between 0 and 1."
        )
    held = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise ValueError(
                f"Class {label} has one image, which can't be both trained on "
                "and held out. Give it another image, or remove the class."
            )
        count = min(max(1, round(part * len(members))), len(members) - 1)
        random = np.random.default_rng([seed, _HOLDOUT, int(label)])
        held.append(random.permutation(members)[:count])
    held = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), held), held
