#!/usr/bin/env python3
"""Prints the accuracy of networks on the CIFAR-10 test split.

    python scripts/evaluate_cifar10.py se_resnet20 \
        resnet20=$KERAS_SENET_REFS/cifar_resnet20.npz \
        resnet56=$KERAS_SENET_REFS/cifar_resnet56.npz

Each argument is a network, and optionally its weights: a tag, a file of Keras,
or an .npz file in torch's layout.
"""

import argparse
import csv
import os
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from train_cifar10 import accuracy, read

import keras_senet
from keras_senet.weights.dialects import torch
from keras_senet.weights.load import assign


def load(name, weights):
    """A network with its weights."""
    if weights.endswith(".npz"):
        model = keras_senet.create_model(name, weights=None)
        network = keras_senet.find_network(name)
        assign(model, torch(dict(np.load(weights)), network), weights)
        return model
    return keras_senet.create_model(name, weights=weights)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "networks", nargs="*", default=["se_resnet20"], metavar="NAME[=WEIGHTS]"
    )
    parser.add_argument(
        "--data-dir",
        default=os.environ.get("KERAS_SENET_DATA"),
        help="folder of tensorflow_datasets (default: $KERAS_SENET_DATA)",
    )
    parser.add_argument("--out", type=Path, help="a CSV file to write as well")
    args = parser.parse_args()
    images, labels = read("test", args.data_dir)
    rows = []
    for argument in args.networks:
        name, _, weights = argument.partition("=")
        model = load(name, weights or "cifar10")
        score = accuracy(model, images, labels)
        print(f"{name:16s} {score:.2%} of {len(labels)} images", flush=True)
        origin = Path(weights or "cifar10").name
        rows.append([name, origin, score, len(labels), keras.__version__])
    if args.out:
        partial = args.out.with_suffix(".partial")
        with partial.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["network", "weights", "top1", "images", "keras"])
            writer.writerows(rows)
        partial.replace(args.out)


if __name__ == "__main__":
    main()
