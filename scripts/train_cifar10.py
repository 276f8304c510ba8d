#!/usr/bin/env python3
"""Trains a network for 32x32 images on CIFAR-10 with plain `fit`.

The weights that ship as `SEResNet20(weights="cifar10")` were made by

    python scripts/train_cifar10.py --model se_resnet20 --epochs 36 --seed 1

It writes into RUN (`--out`):
MODEL_cifar10.weights.h5, MODEL_cifar10.json (the accuracy on the test split and
how it came about) and history.csv. Interrupted, the same command goes on after
the last complete epoch.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

import keras_senet


def read(split, data_dir):
    """The images (uint8) and labels of a split of CIFAR-10."""
    data = tfds.load("cifar10", split=split, data_dir=data_dir, batch_size=-1)
    return np.asarray(data["image"]), np.asarray(data["label"])


def accuracy(model, images, labels):
    """The part of the images whose label has the highest score."""
    scores = model.predict(images, batch_size=500, verbose=0)
    return float((scores.argmax(axis=1) == labels).mean())


def augmented(images, labels, batch_size, seed):
    """Batches in random order, cropped from 4 pixels of padding, flipped."""
    pad = ((0, 0), (4, 4), (4, 4), (0, 0))
    data = tf.data.Dataset.from_tensor_slices((np.pad(images, pad), labels))
    data = data.shuffle(len(labels), seed=seed, reshuffle_each_iteration=True)

    def crop_and_flip(image, label):
        image = tf.image.random_crop(image, (32, 32, 3))
        return tf.image.random_flip_left_right(image), label

    data = data.map(crop_and_flip, tf.data.AUTOTUNE)
    return data.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def train(model, data, validation_data, epochs, steps, args, out):
    """Nesterov momentum, two epochs of warm-up and a cosine to zero."""
    optimizer = keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(
            0.01,
            decay_steps=(epochs - 2) * steps,
            warmup_target=args.learning_rate,
            warmup_steps=2 * steps,
        ),
        momentum=0.9,
        nesterov=True,
        # Keras decays outside the momentum, which multiplies a decay inside
        # the loss by 1 / (1 - 0.9).
        weight_decay=10 * args.weight_decay,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer,
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # XLA makes training on a CPU slower.
        jit_compile=bool(tf.config.list_physical_devices("GPU")),
    )
    model.fit(
        data,
        epochs=epochs,
        validation_data=validation_data,
        callbacks=[
            keras.callbacks.BackupAndRestore(out / "backup"),
            keras.callbacks.CSVLogger(out / "history.csv", append=True),
        ],
        verbose=2,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="se_resnet20")
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="default: runs/MODEL_SEED")
    parser.add_argument(
        "--data-dir",
        default=os.environ.get("KERAS_SENET_DATA"),
        help="folder of tensorflow_datasets (default: $KERAS_SENET_DATA)",
    )
    args = parser.parse_args()
    if args.epochs < 3:
        parser.error(f"--epochs is {args.epochs}; two warm up, so at least 3")
    out = args.out or Path("runs") / f"{args.model}_{args.seed}"
    out.mkdir(parents=True, exist_ok=True)
    weights = out / f"{args.model}_cifar10.weights.h5"

    keras.utils.set_random_seed(args.seed)
    test = read("test", args.data_dir)
    model = keras_senet.create_model(args.model, weights=None)
    if weights.exists():
        print(f"{weights} is there already: no training, only the report")
        model.load_weights(weights)
    else:
        images, labels = read("train", args.data_dir)
        train(
            model,
            augmented(images, labels, args.batch_size, args.seed),
            tf.data.Dataset.from_tensor_slices(test).batch(500),
            args.epochs,
            -(-len(labels) // args.batch_size),
            args,
            out,
        )
        # A copy that was never compiled, without the optimizer's variables.
        copy = keras_senet.create_model(args.model, weights=None)
        copy.set_weights(model.get_weights())
        partial = weights.with_name(f"partial_{weights.name}")
        copy.save_weights(partial)
        partial.replace(weights)
    report = {
        "measured": {
            "top1": accuracy(model, *test),
            "dataset": "cifar10/test",
            "images": len(test[1]),
        },
        "command": " ".join(["python", *sys.argv]),
        "arguments": {key: str(value) for key, value in vars(args).items()},
        "versions": {
            "python": sys.version.split()[0],
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "keras_senet": keras_senet.__version__,
        },
    }
    del report["arguments"]["data_dir"], report["arguments"]["out"]
    weights.with_name(f"{args.model}_cifar10.json").write_text(
        json.dumps(report, indent=2) + "\n"
    )
    print(f"top-1 on the test split: {report['measured']['top1']:.2%}")


if __name__ == "__main__":
    main()
