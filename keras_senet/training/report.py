"""What a fine-tuned network confuses, as pictures."""

import csv
from pathlib import Path

import numpy as np

from keras_senet.data.crops import center_crop
from keras_senet.data.labelled import LabelledImages
from keras_senet.data.pipeline import evaluation_batches
from keras_senet.plots import new_figure, save
from keras_senet.replace import replaced

# Pictures on the contact sheet, and in one of its rows.
MISTAKES, COLUMNS = 24, 6
# Up to so many classes the confusion matrix has its numbers written in.
WRITTEN = 20


def write_report(model, images: LabelledImages, folder: Path) -> None:
    """Draws what a network confuses, and lists its mistakes.

    Args:
        model: a classifier with a card.
        images: those it is judged on.
        folder: where `confusion.png`, `mistakes.png` and `mistakes.csv` go.

    Raises:
        ImportError: without matplotlib.
    """
    card = model.card
    batches = evaluation_batches(
        images,
        lambda image: center_crop(image, card.input_size, card.crop),
        batch_size=32,
    )
    scores = np.concatenate(
        [np.asarray(model(pixels, training=False)) for _, pixels, _ in batches]
    ).astype("float64")
    found = scores.argmax(axis=1)
    labels = images.labels
    wrong = np.flatnonzero(found != labels)
    # The surest first.
    wrong = wrong[np.argsort(-scores[wrong, found[wrong]], kind="stable")]
    names = images.class_names
    rows = [
        (
            images.describe(int(number)),
            names[labels[number]],
            names[found[number]],
            round(float(scores[number, found[number]]), 4),
        )
        for number in wrong
    ]
    with (
        replaced(folder / "mistakes.csv") as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows(
            [("image", "class", "found", "score"), *rows]
        )
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (labels, found), 1)
    _draw_confusion(counts, names, folder / "confusion.png")
    shown = wrong[:MISTAKES]
    pixels = [
        center_crop(images.read(int(n)), (160, 160), 1.0).numpy() for n in shown
    ]
    _draw_mistakes(pixels, rows[:MISTAKES], folder / "mistakes.png")


def _draw_confusion(counts, names, path):
    count = len(names)
    side = min(24, max(4, 2 + 0.45 * count))
    figure, axes = new_figure(side, side * 0.9)
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
    ticks = range(count) if count <= 100 else []
    labels = [names[k] for k in ticks]
    axes.set_xticks(ticks, labels, rotation=90)
    axes.set_yticks(ticks, labels)
    axes.set_xlabel("found")
    axes.set_ylabel("class")
    if count <= WRITTEN:
        for row, column in np.ndindex(count, count):
            if counts[row, column]:
                axes.text(
                    column,
                    row,
                    counts[row, column],
                    ha="center",
                    va="center",
                    color="white" if parts[row, column] > 0.5 else "black",
                )
    right = np.trace(counts)
    axes.set_title(f"{right} of {counts.sum()} images are right")
    save(figure, path)


def _draw_mistakes(pixels, rows, path):
    columns = min(COLUMNS, max(1, len(pixels)))
    lines = max(1, -(-len(pixels) // columns))
    figure, grid = new_figure(2 * columns, 2.5 * lines, lines, columns)
    for axes in np.ravel(grid):
        axes.axis("off")
    for axes, image, row in zip(np.ravel(grid), pixels, rows, strict=False):
        name, label, found, score = row
        image = np.repeat(image, 3, -1) if image.shape[-1] == 1 else image
        axes.imshow(image)
        axes.set_title(f"{label}, found {found}\n{score:.0%}", fontsize=9)
        axes.text(
            0.5,
            -0.03,
            Path(name).name[-28:],
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=7,
            color="gray",
        )
    if not rows:
        figure.suptitle("No mistakes")
    save(figure, path)
