#!/usr/bin/env python3
"""Writes results/finetune.csv: what pretrained weights are worth on few photos.

    python scripts/finetune_cifar10.py --classes cat dog horse --photos 50

Takes some photos of some classes of CIFAR-10's test split, which the shipped
weights were not trained on, and trains on them twice: from the shipped weights
(their classifier starts anew), and from nothing, at a rate that suits it. Other
photos of the test split are for validation. Run again it goes on. The table is
in docs/finetune.md too.
"""

import argparse
import os
import statistics
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from marks import ROOT, markdown, put_between_marks, write_csv

from keras_senet.data.records import from_tfds
from keras_senet.training import finetune

RESULT = ROOT / "results" / "finetune.csv"


def choose(classes, photos, seed):
    """Photos for training, and all others of these classes for validation."""
    images = from_tfds("cifar10", "test")
    random = np.random.default_rng(seed)
    parts = {"train": [], "validation": []}
    for label, name in enumerate(classes):
        found = np.flatnonzero(images.labels == images.class_names.index(name))
        found = random.permutation(found)
        parts["train"] += [(number, label) for number in found[:photos]]
        parts["validation"] += [(number, label) for number in found[photos:]]
    return {
        part: (
            np.stack([images.read(int(number)).numpy() for number, _ in pairs]),
            np.array([label for _, label in pairs]),
        )
        for part, pairs in parts.items()
    }


def write_table(rows):
    """Mean and spread over the seeds, into docs/finetune.md."""
    lines = []
    for weights in dict.fromkeys(row["weights"] for row in rows):
        scores = [100 * r["top1"] for r in rows if r["weights"] == weights]
        lines.append(
            [
                weights,
                f"{statistics.mean(scores):.1f}",
                f"{min(scores):.1f} to {max(scores):.1f}",
                len(scores),
            ]
        )
    header = ["weights", "top-1 (%)", "lowest to highest", "runs"]
    page = ROOT / "docs" / "finetune.md"
    put_between_marks(page, "finetune", markdown(header, lines))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--classes", nargs="+", default=["cat", "dog", "horse"])
    parser.add_argument("--photos", type=int, default=50, help="per class")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/finetune"))
    args = parser.parse_args()
    rows = []
    for seed in range(args.seeds):
        data = choose(args.classes, args.photos, seed)
        for weights in ("cifar10", None):
            out = args.out / f"{weights or 'nothing'}-{seed}"
            # From nothing there is no head that has to catch up first.
            head = {} if weights else {"head_epochs": 0}
            trained = finetune(
                data,
                out,
                "se_resnet20",
                weights,
                epochs=args.epochs,
                seed=seed,
                learning_rate=0.01 if weights else 0.1,
                **head,
            )
            rows.append(
                {
                    "weights": weights or "none",
                    "seed": seed,
                    "top1": trained.history["val_top1"][-1],
                    "classes": " ".join(args.classes),
                    "photos_per_class": args.photos,
                    "validation_images": len(data["validation"][1]),
                    "epochs": args.epochs,
                    "keras": keras.__version__,
                    "command": "python scripts/finetune_cifar10.py --classes "
                    f"{' '.join(args.classes)} --photos {args.photos} --epochs "
                    f"{args.epochs} --seeds {args.seeds}",
                }
            )
            print(f"{weights}, seed {seed}: {rows[-1]['top1']:.2%}", flush=True)
    write_csv(RESULT, rows)
    write_table(rows)


if __name__ == "__main__":
    main()
