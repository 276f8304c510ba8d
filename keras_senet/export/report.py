"""What is known of an exported file: its size, its time, how equal it is."""

import dataclasses
import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from keras_senet._quiet import quietly
from keras_senet.litert import runtime
from keras_senet.litert.conversion import ConversionError

THREADS = (1, 2, 4)
# Images that the model takes at once: little memory for large networks.
BATCH = 8


class AgreementError(ValueError):
    """An exported file that names other classes than its model."""


@dataclasses.dataclass(frozen=True)
class Report:
    """What is known of an exported file.

    Attributes:
        format: `"litert"`, `"onnx"`, `"openvino"` or `"saved_model"`.
        precision: that asked for.
        file_bytes: its size.
        images: number of images on which it was compared with the model.
        images_from: where they came from: the argument, or `"noise"`.
        largest_difference: of an output.
        mean_difference: of the outputs.
        top1_agreement: part of the images for which both name the same class
            first, or `None` for a model that is no classifier.
        operators: number of operators by name, or `None` where it is unknown.
        delegated: how many of them XNNPACK runs.
        partitions: the number of parts of the network in which it does.
        milliseconds: of an image by number of threads, the median.
        peak_bytes: memory with one thread, beyond that of LiteRT itself.
    """

    format: str
    precision: str
    file_bytes: int
    images: int
    images_from: str
    largest_difference: float
    mean_difference: float
    top1_agreement: float | None
    operators: dict[str, int] | None = None
    delegated: int | None = None
    partitions: int | None = None
    milliseconds: dict[int, float] | None = None
    peak_bytes: int | None = None

    def check(self, least: float) -> None:
        """Raises an error if file and model agree on too few images.

        Args:
            least: part of the images, 0 to 1.

        Raises:
            AgreementError: if they do, or the model is no classifier.
        """
        found = self.top1_agreement
        if found is None:
            raise AgreementError(
                "`check` is for classifiers of two classes or more, and this "
                "model is none. Leave it out. Nothing was written."
            )
        if found < least:
            raise AgreementError(
                f"File and model agree on the class of {found:.2%} of "
                f"{self.images} images ({self.images_from}), and {least:.2%} "
                "was asked for. Calibrate on more images like those to come, "
                "keep the gates in float32 (float_gates), or take precision="
                "'float16'. Nothing was written."
            )

    def __str__(self):
        """One line a fact."""
        agreement = "no classifier"
        if self.top1_agreement is not None:
            agreement = (
                f"{self.top1_agreement:.2%} of {self.images} images "
                f"({self.images_from})"
            )
        lines = {
            "size": f"{self.file_bytes / 1e6:.2f} MB, {self.precision}",
            "same class first": agreement,
            "difference": f"{self.largest_difference:.2g} at most, "
            f"{self.mean_difference:.2g} on average",
        }
        if self.operators is not None:
            total = sum(self.operators.values())
            named = sorted(self.operators.items(), key=lambda pair: -pair[1])
            lines["operators"] = ", ".join(
                f"{count} {name}" for name, count in named
            )
            lines["on XNNPACK"] = (
                f"{self.delegated} of {total}, partitions: {self.partitions}"
            )
            lines["time of an image"] = ", ".join(
                f"{value:.2f} ms ({threads} threads)"
                for threads, value in self.milliseconds.items()
            )
            lines["peak memory"] = f"{self.peak_bytes / 1e6:.1f} MB"
        return "\n".join(f"{key:18}{value}" for key, value in lines.items())


def outputs_of(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns a model's outputs, once it is sure that they can be compared.

    Args:
        model: the model, which takes pixels.
        images: array `(images, height, width, channels)`.

    Returns:
        Array `(images, *outputs)`.

    Raises:
        ValueError: if they are not finite.
    """
    rows = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        # Always as many, for which nothing is compiled anew.
        filled = np.resize(batch, (BATCH, *batch.shape[1:]))
        found = model.predict_on_batch(filled.astype("float32"))
        rows.append(found[: len(batch)])
    outputs = np.concatenate(rows)
    if not np.isfinite(outputs).all():
        raise ValueError(
            f"The outputs of {model.name} are not finite. Its weights are "
            "damaged, or its training diverged; nothing was exported."
        )
    return outputs


def compare(
    expected: np.ndarray,
    run: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    classifier: bool,
) -> dict:
    """Compares a file's outputs with those of its model.

    Args:
        expected: what `outputs_of` gave.
        run: function of an image that returns the file's outputs for it, of
            shape `(1, *outputs)`.
        images: array `(images, height, width, channels)`.
        classifier: whether the outputs are scores of classes.

    Returns:
        Dictionary of `images`, `largest_difference`, `mean_difference` and
        `top1_agreement`.

    Raises:
        AgreementError: if the file's outputs are not finite.
    """
    outputs = np.concatenate([run(image) for image in images])
    if not np.isfinite(outputs).all():
        raise AgreementError(
            "The file's outputs are not finite, and the model's are: it can't "
            "be used. Take precision='float32'. Nothing was written."
        )
    difference = np.abs(outputs - expected)
    agreement = None
    if classifier and expected.shape[-1] > 1:
        agreement = float(np.mean(outputs.argmax(1) == expected.argmax(1)))
    return {
        "images": len(images),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "top1_agreement": agreement,
    }


def measure(
    content: bytes, expected: np.ndarray, images: np.ndarray, classifier: bool
) -> dict:
    """Compares a LiteRT file with its model, and times it.

    Args:
        content: the file's content.
        expected: as for `compare`.
        images: as for `compare`.
        classifier: as for `compare`.

    Returns:
        Fields of a `Report`.

    Raises:
        ConversionError: if XNNPACK refuses the file.
        AgreementError: as `compare`.
        ImportError: without ai-edge-litert.
    """
    with quietly():
        interpreter = runtime.interpreter_of(content, 2)
    counts, delegated, partitions = runtime.operators(interpreter)
    if not partitions:
        raise ConversionError(
            "XNNPACK refuses the file, and with it MediaPipe: some values in 8 "
            "bits are constant, as of gates that calibration never saw move. "
            "Calibrate on images like those to come, take float_gates=True or "
            "precision='dynamic'. Nothing was written."
        )
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(content)
        file.flush()
        # Not `-m`, which would import the package.
        command = [sys.executable, "-P", runtime.__file__, file.name]
        process = subprocess.run(
            [*command, *map(str, THREADS)], capture_output=True, text=True
        )
    if process.returncode:
        raise RuntimeError(
            "The exported file can't be run by itself: "
            f"{process.stderr.strip()[-500:]}"
        )
    timed = json.loads(process.stdout)
    return {
        "file_bytes": len(content),
        **compare(expected, runtime.runner(interpreter), images, classifier),
        "operators": counts,
        "delegated": delegated,
        "partitions": partitions,
        "milliseconds": {
            int(threads): value
            for threads, value in timed["milliseconds"].items()
        },
        "peak_bytes": timed["bytes"],
    }


def noise(model: keras.Model, count: int = 8) -> np.ndarray:
    """Returns images of noise, of the size of a model.

    Args:
        model: the model.
        count: how many. Defaults to `8`.

    Returns:
        Array `(images, height, width, channels)`, uint8.
    """
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


def write_files(files: dict[Path, bytes | str]) -> None:
    """Writes files, each of them whole or not there.

    Args:
        files: their contents by path.

    Raises:
        OSError: if they can't be written.
    """
    # Names that nobody else has, nor another export beside this one.
    partial = {
        path: path.with_name(f".{uuid.uuid4().hex}.part") for path in files
    }
    try:
        for path, content in files.items():
            if isinstance(content, str):
                content = content.encode()
            partial[path].write_bytes(content)
        for path, temporary in partial.items():
            temporary.replace(path)
    finally:
        for temporary in partial.values():
            temporary.unlink(missing_ok=True)
