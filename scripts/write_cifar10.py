#!/usr/bin/env python3
"""Writes results/cifar10.csv and the table in README.md from finished runs.

    python scripts/write_cifar10.py runs/*

The runs are those of

    for seed in 0 1 2; do for model in se_resnet20 resnet20; do
        ./scripts/train.py --config configs/cifar10_se_resnet20.py \\
            --model $model --seed $seed
    done; done

in any precision. A run of another config is refused.
"""

import argparse
import csv
import json
import os
import statistics
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from marks import ROOT, markdown, put_between_marks, write_csv

import keras_senet
from keras_senet.training import load_config

CONFIG = ROOT / "configs" / "cifar10_se_resnet20.py"
RESULT = ROOT / "results" / "cifar10.csv"
# Fields in which the runs of the table differ.
FREE = {"model", "seed", "precision"}


def check(folder, config):
    """Raises an error for a run that is not of the table's config."""
    wanted = load_config(CONFIG).record()
    wrong = [
        f"{name} is {config.get(name)!r} and not {wanted.get(name)!r}"
        for name in sorted(config.keys() | wanted.keys())
        if name not in FREE and config.get(name) != wanted.get(name)
    ]
    if wrong:
        raise ValueError(
            f"The run {folder} is not of configs/{CONFIG.name}: "
            f"{'; '.join(wrong)}. Allowed: runs that differ in "
            f"{', '.join(sorted(FREE))} and out. Leave it out."
        )


def read(folder):
    """A row about a finished run."""
    result = json.loads((folder / "result.json").read_text())
    config, measured = result["config"], result["measured"]
    check(folder, config)
    with (folder / "history.csv").open(newline="") as file:
        epochs = list(csv.DictReader(file))
    return {
        "model": config["model"],
        "seed": config["seed"],
        "epochs": len(epochs),
        "precision": config["precision"],
        "top1": measured["top1"],
        "top5": measured["top5"],
        "images": measured["images"],
        # Other work on the machine makes epochs slower, nothing faster.
        "seconds_of_fastest_epoch": min(
            float(row["seconds"]) for row in epochs
        ),
        "keras": result["versions"]["keras"],
        "command": result["command"],
    }


def summarise(rows):
    """A line per network: mean and spread over its seeds; and what differs."""
    lines, found = [], {}
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        scores = [100 * row["top1"] for row in mine]
        mean = statistics.mean(scores)
        spread = statistics.stdev(scores) if len(scores) > 1 else None
        found[model] = mean, spread, len(scores)
        lines.append(
            [
                keras_senet.find_network(model).title,
                f"{mean:.2f}",
                "" if spread is None else f"{spread:.2f}",
                f"{min(scores):.2f} to {max(scores):.2f}",
                len(scores),
                f"{min(row['seconds_of_fastest_epoch'] for row in mine):.0f}",
            ]
        )
    if len(found) == 2 and all(spread for _, spread, _ in found.values()):
        (se, *ours), (plain, *theirs) = found.values()
        error = sum(s**2 / n for s, n in (ours, theirs)) ** 0.5
        lines.append(
            [
                "what SE adds",
                f"{se - plain:+.2f}",
                f"{error:.2f} (standard error)",
                *[""] * 3,
            ]
        )
    return lines


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    try:
        rows = [
            read(folder)
            for folder in parser.parse_args().runs
            if (folder / "result.json").exists()
        ]
    except ValueError as error:
        parser.error(str(error))
    if not rows:
        parser.error("no run is finished: none has a result.json")
    # The network with SE first.
    rows.sort(key=lambda row: (not row["model"].startswith("se_"), row["seed"]))
    write_csv(RESULT, rows)
    header = ["network", "top-1 (%)", "deviation", "lowest to highest", "runs"]
    header.append("s an epoch")
    table = markdown(header, summarise(rows))
    put_between_marks(ROOT / "README.md", "cifar10", table)


if __name__ == "__main__":
    main()
