"""Pictures of what SE blocks do (the paper's Figs. 6 and 7)."""

import math
from pathlib import Path

import numpy as np

from keras_senet.analysis.cost import stage_of
from keras_senet.analysis.excitation import Excitations
from keras_senet.plots import new_figure, save


def plot_excitations(
    found: Excitations,
    out: str | Path,
    classes: dict[int, str],
    blocks: list[str] | None = None,
) -> None:
    """Draws the mean gates of some classes, and of all images.

    Args:
        found: what `excitations` returned.
        out: the picture, such as a `.png` file.
        classes: number -> name of the classes that are drawn, such as five.
        blocks: names of SE layers, or `None` for `chosen_blocks(found)`.
            Defaults to `None`.

    Raises:
        ImportError: without matplotlib.
        ValueError: if a class has no image, or there is no such block.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> photos = 255 * np.random.rand(4, 32, 32, 3)
    >>> found = excitations(model, photos, [0, 0, 1, 1])
    >>> plot_excitations(found, "gates.png", {0: "cat", 1: "dog"})

    Reference:
        The paper's section 7.2, Fig. 6.
    """
    blocks = _checked(found, classes, blocks)
    columns = min(3, len(blocks))
    rows = math.ceil(len(blocks) / columns)
    figure, axes = new_figure(4 * columns, 2.6 * rows, rows, columns)
    axes = np.atleast_1d(axes).ravel()
    for axis, block in zip(axes, blocks, strict=False):
        for number, (label, name) in enumerate(classes.items()):
            axis.plot(
                found.mean[block][label],
                color=f"C{number}",
                linewidth=1,
                label=name,
            )
        axis.plot(
            found.overall(block)[0], color="black", linewidth=1, label="all"
        )
        _name_axes(axis, block)
    for axis in axes[len(blocks) :]:
        axis.remove()
    _share_gates(axes[: len(blocks)])
    for first in axes[: len(blocks) : columns]:
        first.set_ylabel("mean gate")
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(classes) + 1,
        frameon=False,
    )
    save(figure, Path(out))


def plot_spread(
    found: Excitations,
    out: str | Path,
    classes: dict[int, str],
    blocks: list[str] | None = None,
) -> None:
    """Draws how much gates differ between the images of one class.

    Args:
        found: what `excitations` returned.
        out: the picture; a row per class, a line with a band of one standard
            deviation on both sides.
        classes: number -> name of the classes, such as two.
        blocks: names of SE layers, or `None` for `chosen_blocks(found)`.
            Defaults to `None`.

    Raises:
        ImportError: without matplotlib.
        ValueError: if a class has no image, or there is no such block.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> photos = 255 * np.random.rand(4, 32, 32, 3)
    >>> found = excitations(model, photos, [0, 0, 1, 1])
    >>> plot_spread(found, "spread.png", {1: "dog"}, ["conv4_block3_se"])

    Reference:
        The paper's section 7.2, Fig. 7.
    """
    blocks = _checked(found, classes, blocks)
    figure, axes = new_figure(
        3 * len(blocks), 2.4 * len(classes), len(classes), len(blocks)
    )
    axes = np.reshape(axes, (len(classes), len(blocks)))
    for number, (row, (label, name)) in enumerate(
        zip(axes, classes.items(), strict=True)
    ):
        for axis, block in zip(row, blocks, strict=True):
            mean, std = found.mean[block][label], found.std[block][label]
            channels = np.arange(len(mean))
            axis.fill_between(
                channels,
                mean - std,
                mean + std,
                color=f"C{number}",
                alpha=0.3,
                linewidth=0,
            )
            axis.plot(channels, mean, color=f"C{number}", linewidth=1)
            _name_axes(axis, block)
        row[0].set_ylabel(f"gates of {name}")
    _share_gates(axes.ravel())
    save(figure, Path(out))


def plot_depth(
    roles: list[dict], removed: dict[str, list[dict]], out: str | Path
) -> None:
    """Draws, block after block, what the gates are and what they are worth.

    Args:
        roles: what `role` returned.
        removed: what stands for the gates, for the legend -> what
            `accuracy_without` returned for every block alone.
        out: the picture.

    Raises:
        ImportError: without matplotlib.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> photos, labels = 255 * np.random.rand(4, 32, 32, 3), [0, 0, 1, 1]
    >>> roles = role(excitations(model, photos, labels))
    >>> alone = block_groups(model)
    >>> removed = accuracy_without(model, photos, labels, alone)
    >>> plot_depth(roles, {"gates of one": removed}, "depth.png")

    Reference:
        The paper's section 7.2.
    """
    figure, (above, below) = new_figure(max(6, 0.45 * len(roles)), 6, 2)
    names = [row["block"].removesuffix("_se") for row in roles]
    for key, label in (
        ("correlation", "correlation between classes"),
        ("class_share", "share of variance between classes"),
        ("closed", "gates within 0.1 of zero"),
        ("open", "gates within 0.1 of one"),
    ):
        above.plot(names, [row[key] for row in roles], "o-", label=label)
    above.set_ylim(-0.05, 1.05)
    above.set_ylabel("correlation, or share")
    above.tick_params(labelbottom=False)
    places, width = np.arange(len(names)), 0.8 / len(removed)
    for number, (label, rows) in enumerate(removed.items()):
        changes = {row["removed"]: 100 * row["change"] for row in rows}
        below.bar(
            places + (number + 0.5) * width - 0.4,
            [changes[row["block"]] for row in roles],
            width,
            label=label,
        )
    below.set_xticks(places, names, rotation=45, ha="right", fontsize=8)
    # One bar may be hundreds of times another.
    below.set_yscale("symlog", linthresh=0.1)
    below.yaxis.set_major_formatter("{x:g}")
    # So that no bar ends at the frame.
    low, high = below.get_ylim()
    below.set_ylim(min(2 * low, -0.1), max(2 * high, 0.05))
    below.axhline(0, color="black", linewidth=0.8)
    below.set_ylabel("top-1 without the block, points")
    for axis in (above, below):
        axis.set_xlim(-0.6, len(names) - 0.4)
        axis.grid(alpha=0.3)
        # Above the axes, where it covers nothing.
        axis.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=2,
            frameon=False,
            fontsize=8,
        )
    save(figure, Path(out))


def chosen_blocks(found: Excitations) -> list[str]:
    """Returns the blocks that the paper draws.

    Args:
        found: what `excitations` returned.

    Returns:
        Names of the last SE layer of every stage, and of the last three.
    """
    last = {stage_of(name): name for name in found.mean}
    names = list(found.mean)
    return [
        name for name in names if name in last.values() or name in names[-3:]
    ]


def _checked(found, classes, blocks):
    for label, name in classes.items():
        if label >= len(found.images) or not found.images[label]:
            raise ValueError(
                f"The class {label} ({name}) has no image. There are images of "
                f"{np.flatnonzero(found.images)[:10].tolist()}."
            )
    for block in blocks or ():
        if block not in found.mean:
            raise ValueError(
                f"There is no SE block {block!r}. There are: "
                f"{', '.join(found.mean)}."
            )
    return blocks or chosen_blocks(found)


def _name_axes(axis, block):
    axis.set_title(block, fontsize=9)
    axis.set_xlabel("channel", fontsize=8)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(alpha=0.3)


def _share_gates(axes):
    """Gives all axes the same range: 0 to 1, or more where gates leave it."""
    low = min(axis.dataLim.y0 for axis in axes)
    high = max(axis.dataLim.y1 for axis in axes)
    for axis in axes:
        axis.set_ylim(min(0, low), max(1, high))
        first = axis.get_subplotspec().is_first_col()
        axis.tick_params(labelleft=first)
