#!/usr/bin/env python3
"""Repeats an ablation of the paper (section 6), with the spread over seeds.

    python scripts/ablation.py --study reduction --data tfds:cifar10
    KERAS_BACKEND=jax python scripts/ablation.py --study placement \\
        --model se_resnet20 --data cifar10.npz --epochs 20 --seeds 3

Every row of the study and its seeds are trained under one recipe, in memory,
on any backend of Keras. Each run leaves a file in OUT/runs; a second call
trains what is left, and studies share the rows that are the same network.
Written are OUT/STUDY.csv, STUDY.md and STUDY.png.

With --config the rows are trained by a file of configs/ instead, on images that
needn't fit into memory, and on several GPUs or machines:

    python scripts/ablation.py --study reduction --config configs/ablation.py

An .npz file has the arrays train_images, train_labels, test_images and
test_labels, which needs no TensorFlow; --save-data FILE writes one of --data.
"""

import argparse
import dataclasses
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
from marks import ROOT, markdown, write_csv

import keras_senet
from keras_senet import plots
from keras_senet.architectures.table import SqueezeExcitation, plain_twin
from keras_senet.device import on_cpu

BATCH, RATE, MOMENTUM, DECAY, SMOOTHING = 128, 0.1, 0.9, 5e-4, 0.1
WARMUP_EPOCHS = 2
# Of the schedule "plateau": as in the paper, divided by 10 at most three times.
PATIENCE, FACTOR, TIMES = 3, 0.1, 3

DEFAULTS = {"model": "se_resnet20", "data": "tfds:cifar10", "epochs": 20}


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of one of the paper's tables: options, and its top-1 error there.

    `options` of `None` are the network without SE.
    """

    label: str
    options: dict | None
    paper: float


PLAIN = Row("without SE", None, 23.30)
STANDARD = Row("SE", {}, 22.28)
STUDIES = {
    # Table 10.
    "reduction": (
        PLAIN,
        *(
            Row(f"r = {ratio}", {"reduction": ratio}, error)
            for ratio, error in (
                (2, 22.29),
                (4, 22.25),
                (8, 22.26),
                (16, 22.28),
                (32, 22.72),
            )
        ),
    ),
    # Table 11.
    "squeeze": (
        Row("max", {"squeeze": "max"}, 22.57),
        Row("avg", {"squeeze": "avg"}, 22.28),
    ),
    # Table 12.
    "excitation": tuple(
        Row(name, {"excitation": name}, error)
        for name, error in (
            ("relu", 23.47),
            ("tanh", 23.00),
            ("sigmoid", 22.28),
        )
    ),
    # Table 13; the stages of --model in the place of 2, 3 and 4.
    "stages": (
        PLAIN,
        *(
            Row(f"stage {stage}", {"se_stages": (stage,)}, error)
            for stage, error in ((2, 23.03), (3, 23.04), (4, 22.68))
        ),
        Row("all", {}, 22.28),
    ),
    # Table 14.
    "placement": (
        PLAIN,
        *(
            Row(name, {"placement": name}, error)
            for name, error in (
                ("standard", 22.28),
                ("pre", 22.23),
                ("post", 22.78),
                ("identity", 22.20),
            )
        ),
    ),
    # Table 16.
    "nosqueeze": (
        PLAIN,
        Row("no squeeze", {"squeeze": "none"}, 22.93),
        STANDARD,
    ),
}


class PaddedCropAndFlip(keras.layers.Layer):
    """Random parts of images with a black border, flipped by chance.

    The border is an eighth of the size (He et al. 2016, section 4.2).
    """

    def __init__(self, seed):
        super().__init__(dtype="float32")
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training:
            return images
        ops = keras.ops
        count = ops.shape(images)[0]
        height, width = images.shape[1:3]
        for axis, side in ((1, height), (2, width)):
            border = side // 8
            pads = [[0, 0]] * 4
            pads[axis] = [border, border]
            images = ops.pad(images, pads)
            first = keras.random.randint(
                (count, 1), 0, 2 * border + 1, seed=self.seeds
            )
            places = first + ops.arange(side, dtype=first.dtype)
            if axis == 2:
                # By chance from right to left.
                flip = keras.random.randint((count, 1), 0, 2, seed=self.seeds)
                places = ops.where(flip == 1, places[:, ::-1], places)
            shape = [count, 1, 1, 1]
            shape[axis] = side
            images = ops.take_along_axis(
                images, ops.reshape(places, shape), axis=axis
            )
        return images


def read(data):
    """Images and labels for training and for testing, as arrays."""
    if data.endswith(".npz"):
        file = np.load(data)
        return {name: file[name] for name in file.files}
    from keras_senet.data.labelled import open_images

    found = {}
    for part in ("train", "test"):
        images = open_images(data, part)
        found[f"{part}_images"] = np.stack(
            [images.read(number).numpy() for number in range(len(images))]
        )
        found[f"{part}_labels"] = images.labels
    return found


def build(model, row, shape, classes):
    """The network of a row, which gives logits, with random weights."""
    options = {
        "weights": None,
        "classes": classes,
        "input_shape": shape,
        "classifier_activation": None,
    }
    network = keras_senet.find_network(model)
    if row.options is None:
        twin = plain_twin(network).name
        return keras_senet.create_model(twin, **options)
    # No biases in the SE blocks, as in the paper's ablations.
    return keras_senet.create_model(
        model, **{"se_bias": False, **options, **row.options}
    )


def describe(model, row):
    """What a row changes of the network, in words that files may be called."""
    if row.options is None:
        return "plain"
    se = keras_senet.find_network(model).se
    changed = [
        f"{key}={value}".translate({ord(sign): None for sign in "(), "})
        for key, value in row.options.items()
        if getattr(se, key) != value
    ]
    return "-".join(changed) or "se"


def train(args, row, seed, data):
    """Trains one row with one seed, and returns what is known of it."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(args.precision)
    images, labels = data["train_images"], data["train_labels"]
    shape = images.shape[1:]
    network = build(args.model, row, shape, int(labels.max()) + 1)
    inputs = keras.Input(shape)
    model = keras.Model(inputs, network(PaddedCropAndFlip(seed)(inputs)))
    steps = -(-len(images) // BATCH)
    rate, callbacks = RATE, []
    if args.schedule == "cosine":
        warmup = WARMUP_EPOCHS * steps
        rate = keras.optimizers.schedules.CosineDecay(
            RATE / warmup,
            max(1, args.epochs * steps - warmup),
            warmup_target=RATE,
            warmup_steps=warmup,
        )
    else:
        callbacks = [
            keras.callbacks.ReduceLROnPlateau(
                "loss", FACTOR, PATIENCE, min_lr=RATE * FACTOR**TIMES
            )
        ]
    optimizer = keras.optimizers.SGD(
        rate, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=SMOOTHING
        ),
        metrics=["accuracy"],
        # XLA makes TensorFlow slower on a CPU.
        jit_compile=False
        if on_cpu() and keras.backend.backend() == "tensorflow"
        else "auto",
    )
    one_hot = np.eye(network.output_shape[-1], dtype="float32")
    begin = time.perf_counter()
    history = model.fit(
        images,
        one_hot[labels],
        BATCH,
        args.epochs,
        verbose=2,
        callbacks=callbacks,
    )
    seconds = time.perf_counter() - begin
    loss, top1 = model.evaluate(
        data["test_images"], one_hot[data["test_labels"]], BATCH, verbose=0
    )
    return {
        "schedule": args.schedule,
        "precision": args.precision,
        "top1_error": round(100 * (1 - top1), 3),
        "loss": round(loss, 5),
        "train_loss": round(history.history["loss"][-1], 5),
        "parameters": network.count_params(),
        "images": len(data["test_labels"]),
        "seconds_per_epoch": round(seconds / args.epochs, 1),
    }


def configure(args, row, seed, folder):
    """The config of one row with one seed."""
    # Its engine is TensorFlow's, which the runs in memory do without.
    from keras_senet.training import load_config

    config = load_config(args.config)
    model, options = args.model, {**config.options, **(row.options or {})}
    if row.options is None:
        model = plain_twin(keras_senet.find_network(model)).name
        se = {field.name for field in dataclasses.fields(SqueezeExcitation)}
        options = {k: v for k, v in options.items() if k not in se}
    return dataclasses.replace(
        config,
        model=model,
        options=options,
        data=args.data,
        epochs=args.epochs,
        seed=seed,
        out=str(folder),
    )


def train_config(config):
    """Trains one row by a config, and returns what is known of it."""
    from keras_senet.training import train as train_run

    run = train_run(config)
    measured = run.model.card.measured
    return {
        "schedule": config.schedule,
        "precision": config.precision,
        "top1_error": round(100 * (1 - measured["top1"]), 3),
        "loss": round(run.history["val_loss"][-1], 5),
        "train_loss": round(run.history["loss"][-1], 5),
        "parameters": run.model.count_params(),
        "images": measured["images"],
        "seconds_per_epoch": round(
            statistics.median(run.history["seconds"]), 1
        ),
    }


def summarise(rows):
    """A line per row of the study: mean, spread, and the paper's."""
    lines = []
    for label in dict.fromkeys(row["row"] for row in rows):
        found = [row for row in rows if row["row"] == label]
        errors = [row["top1_error"] for row in found]
        lines.append(
            {
                "row": label,
                "mean": statistics.mean(errors),
                "spread": statistics.stdev(errors) if len(errors) > 1 else 0.0,
                "runs": len(errors),
                "parameters": found[0]["parameters"],
                "paper": found[0]["paper_top1_error"],
            }
        )
    return lines


def write(args, rows):
    """The table of runs, its summary, and the picture."""
    lines = summarise(rows)
    write_csv(args.out / f"{args.study}.csv", rows)
    header = [
        args.study,
        "top-1 error (%)",
        "deviation",
        "runs",
        "parameters",
        "the paper's, SE-ResNet-50 on ImageNet",
    ]
    text = markdown(
        header,
        [
            [
                line["row"],
                f"{line['mean']:.2f}",
                f"{line['spread']:.2f}",
                line["runs"],
                f"{line['parameters']:,}",
                f"{line['paper']:.2f}",
            ]
            for line in lines
        ],
    )
    partial = args.out / f"{args.study}.partial"
    partial.write_text(text)
    partial.replace(args.out / f"{args.study}.md")
    figure, axes = plots.new_figure(6, 3.5)
    for place, line in enumerate(lines):
        errors = [r["top1_error"] for r in rows if r["row"] == line["row"]]
        axes.plot([place] * len(errors), errors, "o", color="tab:blue", ms=4)
        axes.plot(place, line["mean"], "_", color="black", ms=24)
    axes.set_xticks(range(len(lines)), [line["row"] for line in lines])
    axes.set_ylabel("top-1 error (%)")
    axes.set_title(
        f"{args.study}: {args.model}, {args.epochs} epochs; a dot per seed, "
        "bars are means",
        fontsize=9,
    )
    axes.grid(axis="y", alpha=0.3)
    plots.save(figure, args.out / f"{args.study}.png")
    print(text)


def finished_run(args, row, seed, data):
    """What is known of a row with a seed, which is trained if it was not."""
    recipe = f"{args.precision}-{args.schedule}"
    if args.config:
        recipe = Path(args.config).stem
    source = Path(args.data.split(":")[-1]).stem
    what = (source, args.model, describe(args.model, row), recipe)
    name = "-".join([*what, str(args.epochs), str(seed)])
    path = args.out / "runs" / f"{name}.json"
    if not path.exists():
        print(f"{args.study}, {row.label}, seed {seed}", flush=True)
        if args.config:
            config = configure(args, row, seed, path.with_suffix(""))
            found = train_config(config)
        else:
            found = train(args, row, seed, data)
        found = {
            "model": args.model,
            "seed": seed,
            "epochs": args.epochs,
            **found,
            "backend": keras.backend.backend(),
            "keras": keras.__version__,
            "command": "python scripts/ablation.py " + " ".join(sys.argv[1:]),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(found, indent=2) + "\n")
        partial.replace(path)
    return {
        "study": args.study,
        "row": row.label,
        **json.loads(path.read_text()),
        "paper_top1_error": row.paper,
    }


def arguments():
    """The arguments, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--study", required=True, choices=STUDIES)
    parser.add_argument(
        "--config", metavar="FILE", help="a file of configs/ (see above)"
    )
    for name, kind in (("model", str), ("data", str), ("epochs", int)):
        parser.add_argument(
            f"--{name}",
            type=kind,
            help=f"(default: {DEFAULTS[name]}, or --config's)",
        )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--schedule", default="cosine", choices=("cosine", "plateau")
    )
    parser.add_argument(
        "--precision",
        default="float32",
        choices=("float32", "mixed_bfloat16"),
    )
    parser.add_argument(
        "--rows", nargs="+", help="some rows of the study (default: all)"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results/ablation")
    parser.add_argument("--save-data", metavar="FILE")
    args = parser.parse_args()
    defaults = DEFAULTS
    if args.config:
        if args.save_data:
            parser.error("--save-data is for data in memory, without --config")
        # Its engine is TensorFlow's, which the runs in memory do without.
        from keras_senet.training import load_config

        defaults = vars(load_config(args.config))
    for name in DEFAULTS:
        if getattr(args, name) is None:
            setattr(args, name, defaults[name])
    labels = [row.label for row in STUDIES[args.study]]
    for label in args.rows or ():
        if label not in labels:
            parser.error(
                f"--rows has {label!r}. Allowed: "
                f"{', '.join(map(repr, labels))}."
            )
    if args.epochs <= WARMUP_EPOCHS or args.seeds < 1:
        parser.error(
            f"--epochs is {args.epochs} and --seeds {args.seeds}. Allowed: "
            f"more than {WARMUP_EPOCHS}, and at least 1."
        )
    plots.check_matplotlib()
    return args


def main():
    args = arguments()
    data = None if args.config else read(args.data)
    if args.save_data:
        np.savez(args.save_data, **data)
    rows = [
        finished_run(args, row, seed, data)
        for row in STUDIES[args.study]
        if not args.rows or row.label in args.rows
        for seed in range(args.seeds)
    ]
    write(args, rows)


if __name__ == "__main__":
    main()
