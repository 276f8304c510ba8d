#!/usr/bin/env python3
"""Repeats an ablation of the paper (section 6), with the spread over seeds.

    python scripts/ablation.py --study reduction --data tfds:cifar10
    KERAS_BACKEND=jax python scripts/ablation.py --study placement \\
        --model se_resnet20 --data cifar10.npz --epochs 20 --seeds 3

Every row of the study and its seeds are trained under one recipe, in memory,
on any backend of Keras. The recipe has a folder of its own, such as
OUT/se_resnet20-cifar10-20_epochs. Each run leaves a file in its folder
`finished`; a second call trains what is left, and studies share the rows that
are the same network. STUDY.csv, STUDY.md and STUDY.png beside it have all rows
and seeds that are finished.

Images that are files, of many sizes as ImageNet's, are trained on by
configs/ablation.py instead, on several GPUs or machines. --config names another
file of configs/:

    python scripts/ablation.py --study reduction --data tfds:imagenet2012
    python scripts/ablation.py --study reduction --config configs/imagenet.py

An .npz file has the arrays train_images, train_labels, test_images and
test_labels, which needs no TensorFlow; --save-data FILE writes one of --data.
"""

import argparse
import dataclasses
import datetime
import importlib
import json
import os
import re
import shlex
import statistics
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import ablation_in_memory as in_memory
import keras
import numpy as np
from ablation_rows import STUDIES, describe, network_of, record, rows_of
from ablation_tables import read_json, write
from benchmark import machine_name
from marks import ROOT

import keras_senet
from keras_senet import plots
from keras_senet.analysis.cost import count
from keras_senet.architectures.table import NETWORKS, plain_twin
from keras_senet.device import warn_of_slow_precision
from keras_senet.replace import replaced

# What trains on images that are files.
CONFIG = ROOT / "configs/ablation.py"
# Of runs in memory; with a config they are the config's.
DEFAULTS = {
    "model": "se_resnet20",
    "data": "tfds:cifar10",
    "epochs": 20,
    "schedule": "cosine",
    "precision": "float32",
}


def arguments(words=None):
    """The arguments, checked, and the config of --config or `None`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--study", required=True, choices=STUDIES)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="a file of configs/ (default: none, or configs/ablation.py for "
        "images\nthat are files)",
    )
    for name, kind in (("model", str), ("data", str), ("epochs", int)):
        parser.add_argument(
            f"--{name}",
            type=kind,
            help=f"(default: {DEFAULTS[name]}, or --config's)",
        )
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="PIXELS",
        help="makes images smaller, for a run in a fraction of the time:\n"
        "a size that their height and width are multiples of\n"
        "(default: as they are)",
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--schedule", choices=in_memory.SCHEDULES)
    parser.add_argument("--precision", choices=("float32", "mixed_bfloat16"))
    parser.add_argument(
        "--rows", nargs="+", help="some rows of the study (default: all)"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results/ablation")
    parser.add_argument("--save-data", metavar="FILE")
    args = parser.parse_args(words)
    try:
        plots.check_matplotlib()
        return args, check(args)
    except (ImportError, ValueError) as error:
        parser.error(str(error))


def check(args):
    """Fills in what was not given, and returns the config or `None`."""
    config = None
    if not args.config and args.data and in_memory.are_files(args.data):
        args.config = str(CONFIG)
        print(
            f"The images of {args.data} are files, which a run in memory "
            f"can't take. The rows are trained by {CONFIG.relative_to(ROOT)}.",
            flush=True,
        )
    if args.config:
        for name in ("schedule", "precision", "save_data", "image_size"):
            if getattr(args, name) is not None:
                raise ValueError(
                    f"--{name.replace('_', '-')} is for runs in memory. Here "
                    f"{args.config} says it: leave it out, or give another "
                    "--config."
                )
        if args.data and args.data.endswith(".npz"):
            raise ValueError(
                f"--data is {args.data!r}, and --config trains on images that "
                "are files. Give tfds:NAME or folder:PATH, or leave --config "
                "out."
            )
        # Its engine is TensorFlow's, which the runs in memory do without.
        from keras_senet.training import load_config

        config = load_config(args.config)
    for name, default in DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, getattr(config, name) if config else default)
    if not isinstance(args.data, str):
        raise ValueError("--config's data are arrays. Give --data as well.")
    warmup = in_memory.SCHEDULES.get(args.schedule, {}).get("warmup_epochs", 0)
    least = 1 if config else warmup + 1
    if args.epochs < least or args.seeds < 1:
        why = f" (the rate rises for the first {warmup})" if least > 1 else ""
        raise ValueError(
            f"--epochs is {args.epochs} and --seeds {args.seeds}. Allowed: "
            f"at least {least}{why}, and at least 1."
        )
    if config:
        config = dataclasses.replace(
            config, model=args.model, data=args.data, epochs=args.epochs
        )
    check_rows(args, options_of(config))
    return config


def check_rows(args, options):
    """Raises an error for rows that the network can't be built with."""
    network = keras_senet.find_network(args.model)
    if network.se is None:
        with_se = next(
            x for x in NETWORKS.values() if x.se and plain_twin(x) == network
        )
        raise ValueError(
            f"--model is {args.model!r}, which has no SE blocks. Give "
            f"{with_se.name!r}; the studies have its twin as a row."
        )
    labels = [row.label for row in rows_of(args.study, network)]
    for label in args.rows or ():
        if label not in labels:
            raise ValueError(
                f"--rows has {label!r}. Allowed: "
                f"{', '.join(map(repr, labels))}."
            )
    refused = {}
    for row in rows_of(args.study, network):
        try:
            record(network, options, row)
        except ValueError as error:
            refused[row.label] = str(error)
    for label in args.rows or labels:
        if label in refused:
            fit = [f"{x!r}" for x in labels if x not in refused]
            # The network without SE is no study.
            other = (
                f"--rows, of {', '.join(fit)},"
                if fit[1:]
                else "another --study"
            )
            raise ValueError(
                f"The row {label!r} does not fit: {refused[label]} Give "
                f"{other} or another --model."
            )


def options_of(config):
    """The arguments of the constructor that all rows share."""
    return config.options if config else in_memory.OPTIONS


def open_folder(args, recipe):
    """The folder of a recipe, which has no runs of another."""
    source = Path(args.data.partition(":")[2] or args.data).stem
    words = [args.model, re.sub(r"\W+", "_", source), f"{args.epochs}_epochs"]
    if args.config:
        words.append(Path(args.config).stem)
    else:
        words += [f"{args.image_size}_px"] if args.image_size else []
        words += [
            getattr(args, name)
            for name in ("schedule", "precision")
            if getattr(args, name) != DEFAULTS[name]
        ]
    folder = args.out / "-".join(words)
    path = folder / "recipe.json"
    if path.exists() and any(folder.glob("finished/*.json")):
        before = read_json(path)
        for key in before.keys() | recipe.keys():
            if before.get(key) != recipe.get(key):
                sys.exit(
                    f"The runs in {folder} are of another recipe: `{key}` is "
                    f"{before.get(key)!r} there and {recipe.get(key)!r} here. "
                    "Give another --out, or what they were run with."
                )
    write_json(path, recipe)
    return folder


def write_json(path, facts):
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n")


def save(data, path):
    with replaced(path) as partial, partial.open("wb") as file:
        np.savez(file, **data)


def train_config(config, folder, model, options, seed):
    """Trains a network by a config, and returns what is known of it."""
    from keras_senet.training import train
    from keras_senet.training.run_folder import TrainingError

    try:
        run = train(
            dataclasses.replace(
                config, model=model, options=options, seed=seed, out=str(folder)
            )
        )
    except TrainingError as error:
        sys.exit(str(error))
    measured = run.model.card.measured
    return {
        "top1_error": round(100 * (1 - measured["top1"]), 3),
        "loss": round(run.history["val_loss"][-1], 5),
        "train_loss": round(run.history["loss"][-1], 5),
        "parameters": count(run.model.trainable_variables),
        "images": measured["images"],
        "seconds_per_epoch": round(
            statistics.median(run.history["seconds"]), 1
        ),
    }


def circumstances():
    """When and on what a run was made."""
    backend = keras.backend.backend()
    engine = importlib.import_module(backend)
    return {
        "date": datetime.date.today().isoformat(),
        "device": gpu_name(backend, engine) or machine_name(),
        "backend": f"{backend} {engine.__version__}",
        "keras": keras.__version__,
        "numpy": np.__version__,
        "command": f"KERAS_BACKEND={backend} python scripts/ablation.py "
        # Where files lie is this machine's.
        + shlex.join(re.sub("(^|[:=])/.*/", r"\1", x) for x in sys.argv[1:]),
    }


def gpu_name(backend, engine):
    """The name of the GPU or TPU that Keras runs on, or nothing."""
    if backend == "jax":
        device = engine.devices()[0]
        return "" if device.platform == "cpu" else device.device_kind
    if backend == "torch":
        there = engine.cuda.is_available()
        return engine.cuda.get_device_name() if there else ""
    gpus = engine.config.list_physical_devices("GPU")
    details = engine.config.experimental.get_device_details
    return details(gpus[0]).get("device_name", "GPU") if gpus else ""


def main():
    args, config = arguments()
    network, options = keras_senet.find_network(args.model), options_of(config)
    if config:
        recipe = config.record()
        # Every run has its own.
        del recipe["seed"]
    else:
        try:
            warn_of_slow_precision(args.precision)
            data = in_memory.read(args.data)
            if args.save_data:
                save(data, Path(args.save_data))
            if args.image_size is not None:
                data = in_memory.smaller(data, args.image_size)
            # The rows have the layers of it that need a size.
            in_memory.build(network.name, options, data)
        except (ImportError, OSError, ValueError) as error:
            sys.exit(str(error))
        recipe = in_memory.recipe(args, data)
    folder = open_folder(args, recipe)
    trained = 0
    for row in rows_of(args.study, network):
        if args.rows and row.label not in args.rows:
            continue
        name, given = network_of(network, options, row)
        for seed in range(args.seeds):
            run = f"{describe(network, options, row)}-{seed}"
            path = folder / "finished" / f"{run}.json"
            if path.exists():
                continue
            print(f"{args.study}, {row.label}, seed {seed}", flush=True)
            facts = {"model": name, "options": given, "seed": seed}
            facts["epochs"] = args.epochs
            facts["schedule"] = args.schedule
            facts["precision"] = args.precision
            if config:
                # What it goes on from, which git ignores.
                place = folder / "runs" / run
                facts |= train_config(config, place, name, given, seed)
            else:
                facts |= in_memory.train(name, given, recipe, seed, data)
            write_json(path, facts | circumstances())
            trained += 1
            # After each, so that nothing is lost when it is stopped.
            write(args, folder, network, options)
    print(write(args, folder, network, options))
    before = "" if trained else "All of these runs were finished before. "
    print(f"{before}See {folder / args.study}.csv, .md and .png.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print(
            "Stopped. The same command goes on with what is left.",
            file=sys.stderr,
        )
        sys.exit(130)
