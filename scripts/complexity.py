#!/usr/bin/env python3
"""Writes what the networks cost, and draws the published errors against it.

    python scripts/complexity.py
    python scripts/complexity.py --model se_resnet50 --out costs

Writes into the folder --out. Without --model: complexity.csv (a network and its
plain twin a row), complexity_stages.csv and complexity.png. With it:
MODEL_layers.csv, the layers of one network or .keras file and those of its
plain twin. Nothing is computed with the networks, so any Keras backend does.
"""

import argparse
import dataclasses
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from marks import ROOT, write_csv

import keras_senet
from keras_senet.analysis.cost import (
    complexity,
    layer_costs,
    stage_costs,
)
from keras_senet.analysis.summary import published_errors, summarize
from keras_senet.architectures.table import NETWORKS, plain_twin
from keras_senet.plots import check_matplotlib, new_figure, save

RESULTS = ROOT / "results"
# A colour each.
FAMILIES = (
    ("resnet50", "resnet101", "resnet152"),
    ("resnext50", "resnext101"),
    ("plain_senet154",),
    ("inception_resnet_v2",),
    ("bn_inception",),
    ("vgg16",),
    ("mobilenet",),
    ("shufflenet",),
)
# Where there is room for a name: below the point, beside it, or above it.
BELOW = ("resnext101", "inception_resnet_v2", "plain_senet154")
BESIDE = ("resnet152",)


def network_row(name):
    """Counts of a network beside those of its twin and the published ones."""
    network = NETWORKS[name]
    model = keras_senet.create_model(name, weights=None)
    counts = dataclasses.asdict(complexity(model))
    twin = plain_twin(network).name if network.se else ""
    printed = published_errors().get(name, {})
    row = {
        "network": name,
        "plain_twin": twin,
        "input_size": network.input_size,
        **counts,
        "se_share_of_parameters": f"{_share(counts, 'parameters'):.6f}",
        "se_share_of_multiply_adds": f"{_share(counts, 'multiply_adds'):.6f}",
    }
    for key in (
        "top1_error",
        "top5_error",
        "giga_multiply_adds",
        "mega_parameters",
        "source",
    ):
        row[f"published_{key}"] = printed.get(key, "")
    return row, stage_costs(layer_costs(model))


def _share(counts, what):
    return counts[f"se_{what}"] / counts[what]


def put_twins(rows):
    """Adds the counts of the plain twins to the rows of the SE networks."""
    there = {row["network"]: row for row in rows}
    for row in rows:
        for key in ("parameters", "multiply_adds", "activations"):
            twin = there.get(row["plain_twin"])
            row[f"plain_{key}"] = twin[key] if twin else ""


def put_stage_twins(stages, twins):
    """The same for stages, found by network and stage."""
    there = {(row["network"], row["stage"]): row for row in stages}
    for row in stages:
        twin = there.get((twins[row["network"]], row["stage"]))
        for key in ("parameters", "multiply_adds", "activations"):
            row[f"plain_{key}"] = twin[key] if twin else ""


def draw(rows, path):
    """Published top-1 errors on ImageNet against counted multiply-adds."""
    there = {row["network"]: row for row in rows}
    twins = {row["plain_twin"]: row for row in rows if row["plain_twin"]}
    figure, axes = new_figure(7.5, 5)
    for number, names in enumerate(FAMILIES):
        color = f"C{number}"
        for name in names:
            points = [
                (
                    float(row["multiply_adds"]) / 1e9,
                    float(row["published_top1_error"]),
                )
                for row in (there[name], twins[name])
                if row["published_top1_error"]
            ]
            axes.plot(*zip(*points, strict=True), color=color, linewidth=1)
            if len(points) == 2:
                axes.plot(*points[0], "o", mfc="white", color=color)
            axes.plot(*points[-1], "o", color=color)
            offset, across, up = (0, 6), "center", "bottom"
            if name in BELOW:
                offset, up = (0, -6), "top"
            elif name in BESIDE:
                offset, across, up = (6, 0), "left", "center"
            axes.annotate(
                NETWORKS[twins[name]["network"]].title.split(" (")[0],
                points[-1 if name in BELOW else 0],
                xytext=offset,
                ha=across,
                va=up,
                textcoords="offset points",
                fontsize=7,
            )
    axes.set_xscale("log")
    axes.set_xlim(0.04, 40)
    axes.set_ylim(17.5, 34)
    axes.set_xticks(
        [0.1, 0.3, 1, 3, 10, 30], ["0.1", "0.3", "1", "3", "10", "30"]
    )
    axes.set_xlabel("multiply-adds of one image, in billions (counted)")
    axes.set_ylabel("top-1 error on ImageNet in % (published)")
    axes.set_title(
        "Errors as the paper prints them (Tables 2, 3 and 8), not measured "
        "here\nfilled: with SE blocks, hollow: the plain twin",
        fontsize=9,
    )
    axes.grid(alpha=0.3)
    save(figure, path)


def write_all(out):
    rows, stages = [], []
    for name in keras_senet.list_models():
        row, parts = network_row(name)
        rows.append(row)
        for part in parts:
            shape = "x".join(map(str, part.pop("output")))
            first = {"network": name, "stage": part.pop("stage")}
            stages.append({**first, "output": shape, **part})
        print(f"{name:28s} {row['multiply_adds']:>15,d}", flush=True)
        keras.utils.clear_session()
    put_twins(rows)
    put_stage_twins(stages, {row["network"]: row["plain_twin"] for row in rows})
    write_csv(out / "complexity.csv", rows)
    write_csv(out / "complexity_stages.csv", stages)
    draw(rows, out / "complexity.png")
    print(
        f"wrote complexity.csv, complexity_stages.csv, complexity.png to {out}"
    )


def write_layers(name, out):
    columns = ("parameters", "multiply_adds", "element_sums", "activations")
    rows = []
    for row in summarize(name)["layers"]:
        twin = row.pop("plain", None) or {}
        shape = "x".join(map(str, row["output"]))
        plain = {f"plain_{key}": twin.get(key, "") for key in columns}
        rows.append({**row, "output": shape, **plain})
    path = out / f"{Path(name).stem}_layers.csv"
    write_csv(path, rows)
    print(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", help="the layers of one network instead")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="(default: results)"
    )
    args = parser.parse_args()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        if args.model:
            write_layers(args.model, args.out)
        else:
            check_matplotlib()
            write_all(args.out)
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
