#!/usr/bin/env python3
"""Writes keras_senet/analysis/complexity.csv and the table in README.md.

python scripts/write_tables.py
python scripts/write_tables.py --readme-only
"""

import argparse
import dataclasses
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from marks import ROOT, markdown, put_between_marks, write_csv

import keras_senet
from keras_senet.analysis.cost import (
    complexity,
    table as counted,
)
from keras_senet.analysis.summary import published_errors
from keras_senet.architectures.table import NETWORKS, plain_twin

COUNTS = Path(keras_senet.__file__).parent / "analysis" / "complexity.csv"
HEADER = [
    "name",
    "network",
    "parameters, SE (plain)",
    "multiply-adds, SE (plain)",
    "error in the paper: top-1 / top-5, SE (plain)",
]


def write_counts():
    """One row per network, counted on the model itself."""
    rows = []
    for name in keras_senet.list_models():
        model = keras_senet.create_model(name, weights=None)
        rows.append({"network": name, **dataclasses.asdict(complexity(model))})
        print(f"{name:28s} {rows[-1]['parameters']:>12,d}", flush=True)
        keras.utils.clear_session()
    write_csv(COUNTS, rows)
    counted.cache_clear()


def pair(se, plain, form):
    """`SE (plain)`, or nothing where neither is known."""
    if not se:
        return ""
    return f"{form(se)} ({form(plain)})" if plain else form(se)


def row(network):
    """A line of the table: a network and its twin."""
    twin = plain_twin(network).name
    counts, plain = counted()[network.name], counted()[twin]
    errors = published_errors()

    def error(row):
        return " / ".join(filter(None, (row["top1_error"], row["top5_error"])))

    return [
        f"`{network.name}`",
        network.title,
        pair(
            counts["parameters"],
            plain["parameters"],
            lambda count: f"{count / 1e6:.2f} M",
        ),
        pair(
            counts["multiply_adds"],
            plain["multiply_adds"],
            lambda count: f"{count / 1e9:.3f} G",
        ),
        pair(errors.get(network.name), errors.get(twin), error),
    ]


def write_readme():
    """Puts the table between its two marks."""
    rows = [row(network) for network in NETWORKS.values() if network.se]
    table = markdown(HEADER, rows)
    put_between_marks(ROOT / "README.md", "networks", table)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--readme-only", action="store_true")
    if not parser.parse_args().readme_only:
        write_counts()
    write_readme()


if __name__ == "__main__":
    main()
