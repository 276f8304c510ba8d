"""The curves of training and validation error, as the paper's Figure 4."""

import csv
from pathlib import Path

from keras_senet.plots import new_figure, save


def draw_curves(histories: dict[str, Path], out: Path) -> None:
    """Draws the top-1 errors of runs against the epochs.

    Args:
        histories: `history.csv` of every run, by the run's name.
        out: the picture, such as a `.png` file.

    Raises:
        ImportError: without matplotlib.
        ValueError: if a run has no epoch yet.
    """
    figure, axes = new_figure(7, 4.5)
    for number, (name, path) in enumerate(histories.items()):
        with Path(path).open(newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows:
            raise ValueError(f"{path} has no epoch yet.")
        for key, style in (("top1", "--"), ("val_top1", "-")):
            points = [
                (int(row["epoch"]) + 1, 100 * (1 - float(row[key])))
                for row in rows
                if row.get(key) not in (None, "", "NA")
            ]
            if not points:
                continue
            kind = "training" if key == "top1" else "validation"
            axes.plot(
                *zip(*points, strict=True),
                style,
                color=f"C{number}",
                label=f"{name}, {kind}",
                marker="o" if len(points) < 3 else None,
                linewidth=1.5,
            )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel("top-1 error (%)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save(figure, out)
