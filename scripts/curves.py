#!/usr/bin/env python3
"""Draws training and validation error of several runs in one picture (Fig. 4).

    python scripts/curves.py runs/se_resnet20 runs/resnet20
    python scripts/curves.py results/cifar10_se_resnet20_history.csv \\
        --out results/curves_cifar10_se_resnet20.png

Each is the folder of a run, or a file as its `history.csv`. Keras' CSVLogger
writes such a file, too, of a model with `metrics=["accuracy"]`.
"""

import argparse
import csv
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from marks import ROOT, write_csv

from keras_senet.training.curves import draw_curves

# What Keras calls the columns that are drawn.
KERAS = {"accuracy": "top1", "val_accuracy": "val_top1"}


def histories_of(paths: list[Path]) -> dict[str, Path]:
    """Finds the histories of runs, by the names in the legend.

    Args:
        paths: folders of runs, and files.

    Returns:
        The file by its folder's name, or by its own without `_history`.

    Raises:
        ValueError: if there is none, or two are called the same.
    """
    found = {}
    for path in paths:
        file = path / "history.csv" if path.is_dir() else path
        if not file.is_file():
            raise ValueError(
                f"{path} has no history: there is no {file}. Give the folder "
                "of a run, or its history.csv."
            )
        name = file.stem.removesuffix("_history")
        if file.name == "history.csv":
            name = file.resolve().parent.name
        if name in found:
            raise ValueError(
                f"{found[name]} and {file} are both called {name!r}. Give runs "
                "of different names."
            )
        found[name] = file
    return found


def renamed(file: Path, folder: Path) -> Path:
    """Writes a history again, with the names of its columns that are drawn.

    Args:
        file: the history.
        folder: where the other one goes.

    Returns:
        The other one.

    Raises:
        ValueError: if it has no such column.
    """
    with file.open(newline="") as opened:
        rows = [
            {KERAS.get(key, key): value for key, value in row.items()}
            for row in csv.DictReader(opened)
        ]
    columns = list(rows[0]) if rows else []
    if not {"epoch", "val_top1"} <= set(columns):
        raise ValueError(
            f"{file} has {len(rows)} epochs, with {columns}. Allowed: at least "
            "one, with epoch and val_top1 (or val_accuracy)."
        )
    made = folder / file.name
    write_csv(made, rows)
    return made


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_OR_CSV")
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "results/curves.png",
        help="(default: results/curves.png)",
    )
    args = parser.parse_args()
    try:
        found = histories_of(args.runs)
        with tempfile.TemporaryDirectory() as folder:
            made = {}
            for number, (name, file) in enumerate(found.items()):
                place = Path(folder) / str(number)
                place.mkdir()
                made[name] = renamed(file, place)
            draw_curves(made, args.out)
    except ValueError as error:
        parser.error(str(error))
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
