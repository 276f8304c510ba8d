#!/usr/bin/env python3
"""Times loading SE-ResNet-50's published file against Keras' own.

    python scripts/benchmark_loading.py --out results/loading.csv

The file has the layout of the published one, so that it is verified, translated
and assigned as that is; Keras loads a .weights.h5 of the same model with
`load_weights`. Both in turn, after one of each that doesn't count.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import keras
import numpy as np
from marks import write_csv

import keras_senet
from keras_senet.weights import sources, store
from keras_senet.weights.convert import translate
from keras_senet.weights.dialects.classification_models import created
from keras_senet.weights.load import assign


def write_published(model, path):
    """The model's weights as classification_models would have saved them."""
    network = keras_senet.find_network("se_resnet50")
    convolutions, normalisations = created(network)
    arrays = {
        f"{layer.name}/{v.name}": keras.ops.convert_to_numpy(v)
        for layer in model.layers
        for v in layer.weights
    }
    names = [(f"conv2d_{k}", c) for k, (c, _) in enumerate(convolutions, 1)]
    names += [
        (f"batch_normalization_{k}", n) for k, n in enumerate(normalisations, 1)
    ]
    with h5py.File(path, "w") as file:
        for automatic, name in [*names, ("dense_1", "predictions")]:
            separator = "_" if "_se/" in name else "/"
            start = f"{name}{separator}"
            for key in [key for key in arrays if key.startswith(start)]:
                variable = key.removeprefix(start)
                file[f"{automatic}/{automatic}/{variable}:0"] = arrays.pop(key)
    assert not arrays, list(arrays)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="CSV file to write")
    args = parser.parse_args()
    network = keras_senet.find_network("se_resnet50")
    model = keras_senet.SEResNet50(weights=None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KERAS_SENET_HOME"] = folder
        remote = sources.find(network, "imagenet").file
        path = Path(folder) / remote.file
        write_published(model, path)
        # The stand-in's own hash, of the same algorithm as the real one's.
        content = path.read_bytes()
        digest = hashlib.new(remote.algorithm, content).hexdigest()
        remote = replace(remote, digest=digest)
        model.save_weights(Path(folder) / "keras.weights.h5")

        def published():
            arrays, _ = translate(
                store.fetch(remote), network, "classification_models"
            )
            assign(model, arrays, "stand-in")

        def own():
            model.load_weights(Path(folder) / "keras.weights.h5")

        seconds = {published: [], own: []}
        for repeat in range(args.repeats + 1):
            for function, times in seconds.items():
                start = time.perf_counter()
                function()
                if repeat:
                    times.append(time.perf_counter() - start)
        size = path.stat().st_size / 1e6
    ratios = np.divide(seconds[published], seconds[own])
    row = {
        "published_seconds": round(statistics.median(seconds[published]), 3),
        "keras_seconds": round(statistics.median(seconds[own]), 3),
        "ratio": round(float(np.median(ratios)), 2),
        "ratio_min": round(float(ratios.min()), 2),
        "ratio_max": round(float(ratios.max()), 2),
        "megabytes": round(size, 1),
        "repeats": args.repeats,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
    }
    for key, value in row.items():
        print(f"{key:18s} {value}")
    if args.out:
        write_csv(args.out, [row])


if __name__ == "__main__":
    main()
