#!/usr/bin/env python3
"""Writes results/litert.csv and a table: LiteRT files on CIFAR-10 (README.md).

    python scripts/write_litert.py --models se_resnet20 runs/mobile/model.keras

Every file is evaluated on the whole test split; images of the training split
calibrate 8 bits and train on. The dataset is looked for in KERAS_SENET_DATA.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
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


def row(name, form, path, seconds):
    """What is known of a file."""
    report = json.loads(path.with_suffix(".json").read_text())
    result = evaluate(str(path), DATA, "test")
    content = path.read_bytes()
    return {
        "model": name,
        "form": form,
        "top1": f"{result.top1:.4f}",
        "images": result.images,
        "bytes": len(content),
        "bytes_zipped": len(zlib.compress(content, 9)),
        "milliseconds": f"{report['milliseconds']['1']:.3f}",
        "seconds_to_make": f"{seconds:.0f}",
        "command": COMMAND,
    }


def rows_of(model, path, calibration, options):
    """A row per form of a network; the first is Keras' own."""
    name = model.card.title
    kept = evaluate(model, DATA, "test")
    yield {
        "model": name,
        "form": "Keras",
        "top1": f"{kept.top1:.4f}",
        "images": kept.images,
        "bytes": 4 * model.count_params(),
        "bytes_zipped": "",
        "milliseconds": "",
        "seconds_to_make": "",
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
        yield row(name, form, path, time.perf_counter() - begin)
    for form, train in TRAINED.items():
        begin = time.perf_counter()
        train(model, DATA, path, **options)
        yield row(name, form, path, time.perf_counter() - begin)


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
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.tflite"
        for name in args.models:
            model = open_model(name)
            for found in rows_of(model, path, calibration, options):
                rows.append(found)
                print(" ".join(map(str, found.values())), flush=True)
    write_csv(RESULT, rows)
    header = ["network", "file", "top-1 (%)", "kB", "kB zipped", "ms"]
    cells = [
        [
            one["model"],
            one["form"],
            f"{100 * float(one['top1']):.2f}",
            one["bytes"] // 1000,
            one["bytes_zipped"] and one["bytes_zipped"] // 1000,
            one["milliseconds"],
        ]
        for one in rows
    ]
    table = markdown(header, cells)
    put_between_marks(ROOT / "README.md", "litert", table)


if __name__ == "__main__":
    main()
