#!/usr/bin/env python3
"""Writes results/litert.csv and a table: LiteRT files on CIFAR-10 (README.md).

    python scripts/write_litert.py --models se_resnet20 runs/mobile/model.keras

Every file is evaluated on the whole test split; images of the training split
calibrate 8 bits and are trained on. The dataset is looked for in
KERAS_SENET_DATA. Rows are written as they are found, each in the place of the
same network's and file's, so that a run that ends early loses one.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
import time
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from benchmark import machine_name
from marks import ROOT, markdown, put_between_marks, write_csv

from keras_senet.data.labelled import open_images
from keras_senet.evaluation import evaluate
from keras_senet.export import (
    cluster,
    export_tflite,
    prune,
    quantization_aware,
)
from keras_senet.open import open_model

COMMAND = " ".join(["python", "scripts/write_litert.py", *sys.argv[1:]])
RESULT = ROOT / "results" / "litert.csv"
DATA = "tfds:cifar10"
COLUMNS = (
    "model",
    "form",
    "top1",
    "points_lost",
    "images",
    "bytes",
    "bytes_zipped",
    "milliseconds",
    "seconds_to_make",
    "machine",
    "command",
)
# Images of the training split from which the ranges of 8 bits are read.
CALIBRATION = 500
FORMS = {
    "float32": {"precision": "float32"},
    "float16": {"precision": "float16"},
    "dynamic": {"precision": "dynamic"},
    "int8": {"precision": "int8"},
    "int8, float gates": {"precision": "int8", "float_gates": True},
}
# Those that train; the images of the test split only say how good they became.
TRAINED = {
    "int8, trained for it": quantization_aware,
    "50 % pruned": prune,
    "16 values a kernel": cluster,
}


def pixels(count):
    """Images for calibration, every class equally often."""
    images = open_images(DATA, "train")
    order = np.argsort(images.labels, kind="stable")
    chosen = order[:: len(order) // count][:count]
    return np.stack([images.read(int(number)).numpy() for number in chosen])


def name_of(card):
    """A network's name, with what it has not by default."""
    changed = card.changed()
    return f"{card.title}, {changed}" if changed else card.title


def row(name, form, path, seconds, kept):
    """What is known of a file, beside the result of Keras."""
    report = json.loads(path.with_suffix(".json").read_text())
    result = evaluate(str(path), DATA, "test")
    content = path.read_bytes()
    return {
        "model": name,
        "form": form,
        "top1": f"{result.top1:.4f}",
        "points_lost": f"{100 * (kept.top1 - result.top1):.2f}",
        "images": result.images,
        "bytes": len(content),
        "bytes_zipped": len(zlib.compress(content, 9)),
        "milliseconds": f"{report['milliseconds']['1']:.3f}",
        "seconds_to_make": f"{seconds:.0f}",
        "machine": machine_name(),
        "command": COMMAND,
    }


def rows_of(model, path, calibration, options):
    """A row per form of a network; the first is Keras' own."""
    name = name_of(model.card)
    kept = evaluate(model, DATA, "test")
    yield {
        "model": name,
        "form": "Keras",
        "top1": f"{kept.top1:.4f}",
        "images": kept.images,
        "bytes": 4 * model.count_params(),
        "machine": machine_name(),
        "command": COMMAND,
    }
    for form, form_options in FORMS.items():
        begin = time.perf_counter()
        data = calibration if form_options["precision"] == "int8" else None
        export_tflite(
            model,
            path,
            calibration_data=data,
            images=calibration,
            **form_options,
        )
        yield row(name, form, path, time.perf_counter() - begin, kept)
    for form, train in TRAINED.items():
        begin = time.perf_counter()
        train(model, DATA, path, **options)
        yield row(name, form, path, time.perf_counter() - begin, kept)


def write(found, result=RESULT, page=ROOT / "README.md"):
    """Puts a row into the CSV file and into the page's table.

    Args:
        found: the row, which replaces that of the same network and file.
        result: the CSV file. Defaults to that in `results/`.
        page: the Markdown file. Defaults to README.md.
    """
    rows = {}
    if result.exists():
        with result.open(newline="") as file:
            rows = {(r["model"], r["form"]): r for r in csv.DictReader(file)}
    rows[found["model"], found["form"]] = found
    empty = dict.fromkeys(COLUMNS, "")
    rows = [{**empty, **one} for one in rows.values()]
    # Networks one after the other, also where a row came later.
    order = list(dict.fromkeys(one["model"] for one in rows))
    rows.sort(key=lambda one: order.index(one["model"]))
    write_csv(result, rows)
    put_between_marks(page, "litert", table(rows))


def table(rows):
    """The rows as a page shows them."""
    header = [
        "network",
        "file",
        "top-1 (%)",
        "points lost",
        "kB",
        "kB zipped",
        "ms, one thread",
    ]
    cells = [
        [
            one["model"],
            one["form"],
            f"{100 * float(one['top1']):.2f}",
            one["points_lost"],
            int(one["bytes"]) // 1000,
            one["bytes_zipped"] and int(one["bytes_zipped"]) // 1000,
            one["milliseconds"],
        ]
        for one in rows
    ]
    return markdown(header, cells)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["se_resnet20"])
    parser.add_argument(
        "--epochs", type=int, default=3, help="of what is trained (default: 3)"
    )
    parser.add_argument(
        "--images",
        type=int,
        default=50_000,
        help="that it is trained on (default: %(default)s)",
    )
    args = parser.parse_args()
    options = {"epochs": args.epochs, "images": args.images}
    calibration = pixels(CALIBRATION)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.tflite"
        for name in args.models:
            model = open_model(name)
            for found in rows_of(model, path, calibration, options):
                write(found)
                print(" ".join(map(str, found.values())), flush=True)


if __name__ == "__main__":
    main()
