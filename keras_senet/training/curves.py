"""The curves of training and validation error, as the paper's Figure 4."""

import csv
from pathlib import Path


def draw_curves(histories: dict[str, Path], out: Path) -> None:
    """Draws the top-1 errors of runs against the epochs.

    Args:
        histories: `history.csv` of every run, by the run's name.
        out: the picture, such as a `.png` file.

    Raises:
        ImportError: without matplotlib.
        ValueError: if a run has no epoch yet.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Curves need matplotlib. Install it: pip install "
            '"keras_senet[plot]"'
        ) from error
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
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
            kind = "training" if key == "top1" else "validation"
            axes.plot(
                *zip(*points, strict=True),
                style,
                color=f"C{number}",
                label=f"{name}, {kind}",
                marker="o" if len(points) < 3 else None,
                linewidth=1.5,
            )
    axes.set_xlabel("epoch")
    axes.set_ylabel("top-1 error (%)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    partial = out.with_name(f"partial_{out.name}")
    figure.savefig(partial, dpi=150)
    partial.replace(out)
