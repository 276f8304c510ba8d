"""What is asked for, and training on it."""

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tf_keras

# Part of an image by which it is shifted at most, as CIFAR's are cropped.
SHIFT = 1 / 8
# Seconds between two lines about the same epoch.
PAUSE = 0.5


@dataclasses.dataclass
class Request:
    """What `keras_senet.export.optimization` asks for.

    Attributes:
        folder: where the request lies, and where the answer goes.
        graph: the network, as `legacy.translate` returns it.
        arrays: its weights.
        options: `epochs`, `batch_size`, `learning_rate`, `seed`, and those of
            the work.
        images: uint8, `(images, height, width, channels)`.
        labels: their classes.
        validation_images: those that are not trained on.
        validation_labels: their classes.
    """

    folder: Path
    graph: dict
    arrays: dict[str, np.ndarray]
    options: dict
    images: np.ndarray
    labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray


def read(folder: Path) -> Request:
    """Returns the request that lies in a folder.

    Args:
        folder: the folder.

    Returns:
        A `Request`, whose images are read from the disk when they are needed.
    """
    facts = json.loads((folder / "request.json").read_text())
    names = [
        f"{part}{kind}"
        for part in ("", "validation_")
        for kind in ("images", "labels")
    ]
    return Request(
        folder,
        facts["graph"],
        dict(np.load(folder / "weights.npz")),
        facts["options"],
        *(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names),
    )


def fit(
    model: tf_keras.Model,
    values: list,
    graph: dict,
    teacher: tf_keras.Model,
    request: Request,
    callbacks: Iterable[tf_keras.callbacks.Callback] = (),
) -> None:
    """Trains a network to answer as it did, and says how it goes.

    Its own answers teach it (Hinton et al. 2015, arXiv:1503.02531): on classes
    alone, a trained network soon knows its images by heart.

    Args:
        model: the network.
        values: all its values, as `network.build` returns them.
        graph: its graph.
        teacher: the network as it was.
        request: the images and the options.
        callbacks: what is called while it trains. Defaults to none.
    """
    options = request.options
    # On what softmax takes: the loss of rounded probabilities is infinite.
    logits = graph["outputs"][0]
    last = graph["steps"][logits - 1]
    if last["config"].get("activation") == "softmax":
        (logits,) = last["inputs"]
    steps = steps_of(request)
    rate = tf_keras.optimizers.schedules.CosineDecay(
        options["learning_rate"], steps * options["epochs"]
    )
    trained = tf_keras.Model(model.inputs, values[logits])
    trained.compile(
        tf_keras.optimizers.Adam(rate),
        tf_keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    tf_keras.utils.set_random_seed(options["seed"])
    trained.fit(
        batches(request, teacher),
        steps_per_epoch=steps,
        epochs=options["epochs"],
        callbacks=[*callbacks, _Lines(model, request, steps)],
        verbose=0,
    )


def steps_of(request: Request) -> int:
    """Returns the steps of an epoch.

    Args:
        request: the images and the options.

    Returns:
        A number.
    """
    return -(-len(request.images) // request.options["batch_size"])


def batches(
    request: Request, teacher: tf_keras.Model
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields batches without an end: every image once an epoch.

    Args:
        request: the images and the options.
        teacher: the network as it was.

    Yields:
        Images, float32, by chance mirrored and shifted over a black border; and
        the teacher's answers.
    """
    random = np.random.default_rng(request.options["seed"])
    size = request.options["batch_size"]
    while True:
        order = random.permutation(len(request.images))
        for start in range(0, len(order), size):
            numbers = np.sort(order[start : start + size])
            images = augment(request.images[numbers], random)
            images = images.astype("float32")
            yield images, teacher.predict_on_batch(images)


def augment(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns images that are by chance mirrored, and shifted at random.

    Args:
        images: of shape `(images, height, width, channels)`.
        random: decides what is random.

    Returns:
        Images of the same shape.
    """
    height, width = images.shape[1:3]
    pads = [int(side * SHIFT) for side in (height, width)]
    padded = np.pad(images, [(0, 0), *((pad, pad) for pad in pads), (0, 0)])
    mirrored = random.random(len(images)) < 0.5
    tops, lefts = (
        random.integers(2 * pad + 1, size=len(images)) for pad in pads
    )
    result = np.empty_like(images)
    for number, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        image = padded[number, top : top + height, left : left + width]
        result[number] = image[:, ::-1] if mirrored[number] else image
    return result


def top1(model: tf_keras.Model, request: Request) -> float:
    """Returns the accuracy on the validation images.

    Args:
        model: the network.
        request: the images.

    Returns:
        A number from 0 to 1.
    """
    images, labels = request.validation_images, request.validation_labels
    right = sum(
        np.sum(
            model.predict_on_batch(
                images[start : start + 128].astype("float32")
            ).argmax(-1)
            == labels[start : start + 128]
        )
        for start in range(0, len(images), 128)
    )
    return float(right / len(images))


class _Lines(tf_keras.callbacks.Callback):
    """A line an epoch; those in between begin with a space."""

    def __init__(self, network, request, steps):
        super().__init__()
        self._network, self._request, self._steps = network, request, steps
        self._said = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self._name = f"epoch {epoch + 1}/{self._request.options['epochs']}"

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() - self._said > PAUSE:
            self._said = time.monotonic()
            share = (batch + 1) / self._steps
            print(f" {self._name} {share:.0%}  {_words(logs)}", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        accuracy = top1(self._network, self._request)
        words = f"{_words(logs)}  validation top-1 {accuracy:.2%}"
        print(f"{self._name}  {words}", flush=True)


def _words(logs):
    return f"loss {logs['loss']:.4f} as before {logs['accuracy']:.2%}"
