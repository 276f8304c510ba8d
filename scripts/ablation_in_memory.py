"""Trains on arrays in memory, augmented on the device, on any Keras backend."""

import hashlib
import time
import zipfile
from pathlib import Path

import keras
import numpy as np

import keras_senet
from keras_senet.analysis.cost import count
from keras_senet.device import on_cpu

RECIPE = {
    "batch_size": 128,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "label_smoothing": 0.1,
}
# No biases in the SE blocks, as in the paper's ablations.
OPTIONS = {"se_bias": False}
# What each schedule is. The plateaus are the paper's, divided by 10 at most
# three times, but of the loss on the images that are trained on: those for
# testing must not decide anything, and there are no others.
SCHEDULES = {
    "cosine": {"warmup_epochs": 2},
    "plateau": {"patience": 3, "factor": 0.1, "times": 3},
}
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


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
                places = ops.where(flip == 1, ops.flip(places, 1), places)
            shape = [count, 1, 1, 1]
            shape[axis] = side
            images = ops.take_along_axis(
                images, ops.reshape(places, shape), axis=axis
            )
        return images


def are_files(data: str) -> bool:
    """Says whether images are files or records, of any sizes and number.

    Args:
        data: as `read` takes it.

    Returns:
        Whether they are; else `read` takes them.

    Raises:
        ImportError: as `open_images`.
        ValueError: as `open_images`, and for what neither of them opens.
    """
    if data.endswith(".npz"):
        return False
    if not data.startswith(("tfds:", "folder:")):
        raise ValueError(
            f"--data is {data!r}. Allowed: 'tfds:NAME' (such as tfds:cifar10), "
            "'folder:PATH' (with train/CLASS/ and val/CLASS/ in it), or a file "
            "of arrays whose name ends in .npz."
        )
    # It needs TensorFlow, which runs on a file of arrays do without.
    from keras_senet.data.labelled import open_images

    return open_images(data, "train").read(0).shape.rank != 3


def read(data: str) -> dict[str, np.ndarray]:
    """Images and labels for training and for testing.

    Args:
        data: an `.npz` file with the arrays `ARRAYS`, or what `open_images`
            opens, of one size.

    Returns:
        Array by its name, of `ARRAYS`.

    Raises:
        ValueError: if something is missing or does not fit.
    """
    found = _read_file(data) if data.endswith(".npz") else _read_parts(data)
    shapes = set()
    for part in ("train", "test"):
        images, labels = found[f"{part}_images"], found[f"{part}_labels"]
        shapes.add(images.shape[1:])
        if (
            images.dtype != np.uint8
            or images.ndim != 4
            or labels.dtype.kind not in "iu"
            or labels.shape != images.shape[:1]
            or not len(labels)
        ):
            raise ValueError(
                f"{data} has {part}_images of {images.dtype} and shape "
                f"{images.shape}, {part}_labels of {labels.dtype} and shape "
                f"{labels.shape}. Allowed: uint8 of shape (images, height, "
                "width, channels), and an integer for each."
            )
        if labels.min() < 0:
            raise ValueError(
                f"{data} has {part}_labels from {labels.min()} on. Allowed: "
                "from 0 on; images without a label (-1) can't be counted."
            )
    if len(shapes) > 1:
        raise ValueError(
            f"The images of {data} have the shapes "
            f"{' and '.join(map(str, sorted(shapes)))}. Allowed: one for "
            "training and testing."
        )
    return found


def smaller(data: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """Makes images smaller by a box filter, the mean of a square for a pixel.

    Args:
        data: what `read` returned.
        size: their height and width then, in pixels.

    Returns:
        The same with other images.

    Raises:
        ValueError: if their height or width is no multiple of it.

    Reference:
        Chrabaszcz et al. 2017, arXiv:1707.08819, who train ResNets on ImageNet
        at 16 to 64 pixels.
    """
    changed = {}
    for name in ("train_images", "test_images"):
        count, height, width, channels = data[name].shape
        if size < 1 or height % size or width % size:
            raise ValueError(
                f"--image-size is {size}, and the images have {height} x "
                f"{width} pixels. Allowed: a size that both are multiples of."
            )
        squares = data[name].reshape(
            count, size, height // size, size, width // size, channels
        )
        changed[name] = np.round(squares.mean((2, 4))).astype("uint8")
    return {**data, **changed}


def _read_file(data):
    if not Path(data).is_file():
        raise ValueError(
            f"--data is {data!r}, and there is no such file. Write one with "
            "--save-data."
        )
    try:
        with np.load(data) as file:
            missing = [name for name in ARRAYS if name not in file.files]
            if not missing:
                return {name: file[name] for name in ARRAYS}
    # A text in its place, objects that would be unpickled, a file cut off.
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{data} can't be read as a file of arrays ({error}). Write it "
            "anew with --save-data."
        ) from error
    raise ValueError(
        f"{data} has no array {missing[0]!r}. Allowed: a file with "
        f"{', '.join(ARRAYS)}, as --save-data writes it."
    )


def _read_parts(data):
    from keras_senet.data.labelled import open_images

    found = {}
    for part in ("train", "test"):
        images = open_images(data, part)
        found[f"{part}_images"] = images.read(np.arange(len(images))).numpy()
        found[f"{part}_labels"] = images.labels
    return found


def recipe(args, data: dict[str, np.ndarray]) -> dict:
    """All that decides what the runs of a study are, but its rows and seeds."""
    content = hashlib.sha256()
    for name in ARRAYS:
        # Labels may be of any integer type.
        array = data[name].astype("uint8" if "images" in name else "int64")
        content.update(f"{name} {array.shape}".encode())
        content.update(np.ascontiguousarray(array))
    return {
        "model": args.model,
        "options": OPTIONS,
        "data_sha256": content.hexdigest(),
        "epochs": args.epochs,
        "schedule": args.schedule,
        **SCHEDULES[args.schedule],
        "precision": args.precision,
        **RECIPE,
    }


def build(network: str, options: dict, data: dict) -> keras.Model:
    """The network of a row, for the images and classes that there are.

    Args:
        network: its name in the registry.
        options: arguments of its constructor.
        data: what `read` returned.

    Returns:
        The network, with random weights and logits for outputs.

    Raises:
        ValueError: if it can't take such images.
    """
    labels = data["train_labels"].max(), data["test_labels"].max()
    return keras_senet.create_model(
        network,
        weights=None,
        classes=1 + int(max(labels)),
        input_shape=data["train_images"].shape[1:],
        classifier_activation=None,
        **options,
    )


def train(
    network: str, options: dict, recipe: dict, seed: int, data: dict
) -> dict:
    """Trains a network, and returns what is known of it then.

    Args:
        network: its name in the registry.
        options: arguments of its constructor.
        recipe: what `recipe` returned.
        seed: of all that is random.
        data: what `read` returned.

    Returns:
        What a finished run has in its file.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(recipe["precision"])
    images, labels = data["train_images"], data["train_labels"]
    batch = recipe["batch_size"]
    core = build(network, options, data)
    inputs = keras.Input(images.shape[1:])
    model = keras.Model(inputs, core(PaddedCropAndFlip(seed)(inputs)))
    callbacks = _compile(model, recipe, -(-len(images) // batch))
    one_hot = np.eye(core.output_shape[-1], dtype="float32")
    begin = time.perf_counter()
    history = model.fit(
        images,
        one_hot[labels],
        batch,
        recipe["epochs"],
        verbose=2,
        callbacks=callbacks,
    )
    seconds = time.perf_counter() - begin
    loss, top1 = model.evaluate(
        data["test_images"], one_hot[data["test_labels"]], batch, verbose=0
    )
    return {
        "top1_error": round(100 * (1 - top1), 3),
        "loss": round(loss, 5),
        "train_loss": round(history.history["loss"][-1], 5),
        "parameters": count(core.trainable_variables),
        "images": len(data["test_labels"]),
        "seconds_per_epoch": round(seconds / recipe["epochs"], 1),
    }


def _compile(model, recipe, steps):
    """Compiles for a recipe, and returns the callbacks it needs."""
    rate, callbacks = recipe["learning_rate"], []
    if recipe["schedule"] == "cosine":
        warmup = recipe["warmup_epochs"] * steps
        rate = keras.optimizers.schedules.CosineDecay(
            rate / warmup,
            recipe["epochs"] * steps - warmup,
            warmup_target=rate,
            warmup_steps=warmup,
        )
    else:
        factor = recipe["factor"]
        callbacks = [
            keras.callbacks.ReduceLROnPlateau(
                "loss",
                factor,
                recipe["patience"],
                min_lr=rate * factor ** recipe["times"],
            )
        ]
    optimizer = keras.optimizers.SGD(
        rate,
        momentum=recipe["momentum"],
        nesterov=True,
        weight_decay=recipe["weight_decay"],
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe["label_smoothing"]
        ),
        metrics=["accuracy"],
        # XLA makes TensorFlow slower on a CPU.
        jit_compile=False if on_cpu() else "auto",
    )
    return callbacks
