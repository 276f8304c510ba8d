#!/usr/bin/env python3
"""Writes results/litert.csv and a table: LiteRT files on CIFAR-10 (README.md).

    python scripts/write_litert.py --models se_resnet20 runs/mobile/model.keras
    python scripts/write_litert.py --forms int8 "50 % pruned"

Every file is evaluated on the whole test split; images of the training split
calibrate 8 bits and are trained on. The dataset is looked for in
KERAS_SENET_DATA. Rows are written as they are found, each in the place of the
same network's and file's, so that a run that ends early loses one.

The files are kept. In the end all that are there are timed in turn, on one
thread, while nothing else should run on the machine; --times does that alone.
"""

import argparse
import csv
import os
import re
import shlex
import statistics
import sys
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
from keras_senet.litert.runtime import interpreter_of, milliseconds, runner
from keras_senet.open import open_model

COMMAND = shlex.join(["python", "scripts/write_litert.py", *sys.argv[1:]])
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
# Times that every file has its turn.
ROUNDS = 9
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
    # Without what it would have by default: " (not 1.0)".
    changed = re.sub(r" \(not (\([^()]*\)|[^()]*)\)", "", card.changed())
    return f"{card.title}, {changed}" if changed else card.title


def file_of(folder, name, form):
    """Where a network's file of a form lies."""
    words = re.sub(r"[^a-z0-9]+", "_", f"{name} {form}".lower())
    return folder / f"{words}.tflite"


def zipped(content):
    """The size of bytes, compressed as a package of an app is."""
    return len(zlib.compress(content, 9))


def row(name, form, path, seconds, kept):
    """What is known of a file, beside the result of Keras."""
    result = evaluate(str(path), DATA, "test")
    content = path.read_bytes()
    return {
        "model": name,
        "form": form,
        "top1": f"{result.top1:.4f}",
        "points_lost": f"{100 * (kept.top1 - result.top1):.2f}",
        "images": result.images,
        "bytes": len(content),
        "bytes_zipped": zipped(content),
        "seconds_to_make": f"{seconds:.0f}",
        "machine": machine_name(),
        "command": COMMAND,
    }


def rows_of(model, folder, calibration, options, forms):
    """A row per form of a network; the first is Keras' own."""
    name = name_of(model.card)
    kept = evaluate(model, DATA, "test")
    weights = b"".join(
        np.asarray(array, "float32").tobytes() for array in model.get_weights()
    )
    yield {
        "model": name,
        "form": "Keras",
        "top1": f"{kept.top1:.4f}",
        "images": kept.images,
        "bytes": len(weights),
        "bytes_zipped": zipped(weights),
        "machine": machine_name(),
        "command": COMMAND,
    }
    for form in forms:
        path = file_of(folder, name, form)
        begin = time.perf_counter()
        if form in TRAINED:
            TRAINED[form](model, DATA, path, **options)
        else:
            eight = FORMS[form]["precision"] == "int8"
            export_tflite(
                model,
                path,
                calibration_data=calibration if eight else None,
                images=calibration,
                **FORMS[form],
            )
        yield row(name, form, path, time.perf_counter() - begin, kept)


def read(result=RESULT):
    """The rows of the CSV file, by network and form.

    Those that don't say on what machine they were measured don't count.
    """
    if not result.exists():
        return {}
    with result.open(newline="") as file:
        return {
            (one["model"], one["form"]): one
            for one in csv.DictReader(file)
            if one.get("machine")
        }


def write_times(folder):
    """Times the files that are there in turn, and writes it into their rows."""
    rows, runs, found = read(), {}, {}
    for key in rows:
        path = file_of(folder, *key)
        if path.exists():
            interpreter = interpreter_of(path, 1)
            shape = interpreter.get_input_details()[0]["shape"][1:]
            runs[key] = runner(interpreter), shape
    for _ in range(ROUNDS):
        for key, (run, shape) in runs.items():
            found.setdefault(key, []).append(milliseconds(run, shape))
    for key, times in found.items():
        median = statistics.median(times)
        write({**rows[key], "milliseconds": f"{median:.3f}"})


def write(found, result=RESULT, page=ROOT / "README.md"):
    """Puts a row into the CSV file and into the page's table.

    Args:
        found: the row, which replaces that of the same network and file, and
            all that don't say on what machine they were measured.
        result: the CSV file. Defaults to that in `results/`.
        page: the Markdown file. Defaults to README.md.
    """
    rows = read(result)
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
    forms = [*FORMS, *TRAINED]
    parser.add_argument(
        "--forms",
        nargs="+",
        default=forms,
        choices=forms,
        metavar="FORM",
        help="files to make, each a row beside Keras' (default: all);\n"
        + ", ".join(forms).replace("%", "%%"),
    )
    parser.add_argument(
        "--files",
        type=Path,
        default=ROOT / "runs" / "litert",
        metavar="FOLDER",
        help="where the files are kept (default: runs/litert)",
    )
    parser.add_argument(
        "--times", action="store_true", help="only time the files there are"
    )
    args = parser.parse_args()
    options = {"epochs": args.epochs, "images": args.images}
    calibration = pixels(CALIBRATION)
    args.files.mkdir(parents=True, exist_ok=True)
    for name in args.models if not args.times else ():
        model = open_model(name)
        for found in rows_of(
            model, args.files, calibration, options, args.forms
        ):
            write(found)
            print(" ".join(map(str, found.values())), flush=True)
    write_times(args.files)


if __name__ == "__main__":
    main()
