"""Work that needs Keras 2, done in a process of its own.

Importing tensorflow_model_optimization changes the process: it sets
TF_USE_LEGACY_KERAS. `keras2` is the program; it imports nothing of Keras 3, and
needs nothing of the program that asks for it.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from keras_senet.architectures.card import DescribedModel
from keras_senet.data.crops import center_crop
from keras_senet.data.labelled import LabelledImages, SplitError, open_images
from keras_senet.data.pipeline import evaluation_batches
from keras_senet.data.readable import find_unreadable, skip
from keras_senet.data.sampling import hold_out
from keras_senet.evaluation.classes import find_outputs
from keras_senet.export.legacy import translate

PROGRAM = Path(__file__).with_name("keras2")
# Part of the images that is set aside where they have no split for validation.
HELD = 0.1
NEEDED = ("tf_keras", "tensorflow_model_optimization")


class Keras2Error(RuntimeError):
    """A work in Keras 2 that ended early; the message has its last words."""


def check_installed() -> None:
    """Raises an error where Keras 2 is missing, before work starts.

    Raises:
        ImportError: if something is not installed.
    """
    missing = [x for x in NEEDED if importlib.util.find_spec(x) is None]
    if missing:
        raise ImportError(
            f"Quantisation-aware training, pruning and clustering need "
            f"{' and '.join(missing)}. Install them: pip install "
            '"keras_senet[qat]"'
        )


@contextmanager
def worked(
    name: str, model: DescribedModel, data, options: dict
) -> Iterator[tuple[Path, list[str] | None]]:
    """Asks for a work and yields the folder in which it is done.

    Args:
        name: `"quantize"`, `"prune"` or `"cluster"`.
        model: the network, which takes pixels.
        data: labelled images, as `open_images` takes them.
        options: what `keras2/training.py` and the work read.

    Yields:
        The folder, with the result, which goes when it is left; and the names
        of the outputs, those of the card or else of the images, or `None`.

    Raises:
        ValueError: if the images or the network can't be worked with.
        Keras2Error: if it fails otherwise.
    """
    training, validation = _open(data, options["seed"])
    graph, arrays = translate(model)
    with tempfile.TemporaryDirectory(prefix="keras_senet_") as place:
        folder = Path(place)
        request = {"work": name, "graph": graph, "options": options}
        (folder / "request.json").write_text(json.dumps(request))
        np.savez(folder / "weights.npz", **arrays)
        for prefix, images in (("", training), ("validation_", validation)):
            some = _some(images, options["images"], options["seed"])
            _write_images(some, model, folder, prefix)
        work(folder)
        yield folder, _names(model, training.class_names)


def _names(model, found):
    """The names of the outputs, where the card or the images have them."""
    if model.card.class_names is not None:
        return list(model.card.class_names)
    numbers = [str(number) for number in range(len(found))]
    return None if found == numbers else list(found)


def _open(data, seed):
    """Images for training and for validation, none of them damaged."""
    training = open_images(data, "train")
    try:
        validation = open_images(data, "validation")
    except SplitError:
        stay, held = hold_out(training.labels, HELD, seed)
        training, validation = training.take(stay), training.take(held)
    return tuple(
        skip(images, find_unreadable(images), 0)
        for images in (training, validation)
    )


def _some(images: LabelledImages, count, seed):
    """At most so many images, drawn from all."""
    if len(images) <= count:
        return images
    numbers = np.random.default_rng(seed).permutation(len(images))
    return images.take(np.sort(numbers[:count]))


def _write_images(images, model, folder, prefix):
    """Cuts images as the network sees them, and puts them into a folder."""
    card = model.card
    *size, channels = model.input_shape[1:]
    outputs = find_outputs(
        images.class_names,
        card.class_names,
        model.output_shape[-1],
        images.name,
    )
    np.save(folder / f"{prefix}labels.npy", outputs[images.labels])
    batches = evaluation_batches(
        images, lambda image: center_crop(image, tuple(size), card.crop), 64
    )
    given = batches.element_spec[1].shape[-1]
    if given not in (None, channels):
        raise ValueError(
            f"{images.name} have {given} channels, and {model.name} takes "
            f"{channels}. Give images of as many."
        )
    file = np.lib.format.open_memmap(
        folder / f"{prefix}images.npy",
        "w+",
        "uint8",
        (len(images), *size, channels),
    )
    for numbers, cut, _ in batches.as_numpy_iterator():
        file[numbers] = cut
    file.flush()


def work(folder: Path) -> None:
    """Does what is asked for in a folder, and shows how it goes.

    Args:
        folder: has what `keras2/training.py` reads; gets the result.

    Raises:
        ValueError: if the network or the options can't be worked with.
        Keras2Error: if it fails otherwise.
    """
    environment = {
        **os.environ,
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            text=True,
            # Ctrl-C is for this process, which then ends the other.
            start_new_session=True,
        ) as process,
    ):
        try:
            for line in process.stdout:
                _show(line.rstrip("\n"))
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise _error(folder, process.returncode)


def _show(line):
    """Lines that begin with a space give way to the next."""
    passing = line.startswith(" ")
    if sys.stderr.isatty():
        end = "\r" if passing else "\n"
        print(f"\033[2K{line.strip()}", end=end, file=sys.stderr, flush=True)
    elif not passing:
        print(line, file=sys.stderr, flush=True)


def _error(folder, code):
    path = folder / "error.json"
    if not path.exists():
        words = (folder / "log").read_text(errors="replace").strip()
        how = f"with code {code}"
        if code < 0:
            how = f"by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            how += ", as when the memory is full"
        return Keras2Error(
            f"The process of Keras 2 ended {how}. Its last words: "
            f"{words[-1000:] or 'none'}"
        )
    facts = json.loads(path.read_text())
    if facts["kind"] == "Refused":
        return ValueError(facts["message"])
    return Keras2Error(
        f"Keras 2 failed: {facts['kind']}: {facts['message'][:1000]}\n"
        f"{facts['traceback'][-2000:]}"
    )
