"""What is known of an exported file: its size, its time, how equal it is."""

import collections
import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from numbers import Real
from pathlib import Path

import keras
import numpy as np

from keras_senet._quiet import quietly
from keras_senet.litert import runtime
from keras_senet.litert.conversion import ConversionError

THREADS = (1, 2, 4)
# Images that the model takes at once: little memory for large networks.
BATCH = 8
# What to do where file and model disagree.
ADVICE = {
    "int8": "Calibrate on more images like those to come, keep the gates in "
    "float32 (float_gates), train for 8 bits (export.quantization_aware), or "
    "take precision='float16'",
    "dynamic": "Take precision='float16'",
    "float16": "Take precision='float32'",
    "float32": "Both compute in float32 and differ by rounding: where that "
    "decides, the network knows little of these images. Give images like "
    "those to come",
}


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
        delegated: those of them that XNNPACK runs, by name.
        partitions: the number of parts of the network in which it does.
        milliseconds: of an image by number of threads, the median.
        peak_bytes: memory with one thread at its most, beyond that of LiteRT
            itself; `None` on Windows.
        quantization: of a file that takes 8 bits, the `scale` and `zero_point`
            of its `input` and `output`, and how it was made: the number of
            `calibration_images` and whether it has `float_gates`, or the
            options of its `training`.
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
    delegated: dict[str, int] | None = None
    partitions: int | None = None
    milliseconds: dict[int, float] | None = None
    peak_bytes: int | None = None
    quantization: dict | None = None

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
                f"was asked for. {ADVICE[self.precision]}. Nothing was "
                "written."
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
            counts = collections.Counter(self.operators)
            left = counts - collections.Counter(self.delegated)
            lines["operators"] = _named(counts)
            lines["on XNNPACK"] = (
                f"{sum(self.delegated.values())} of {counts.total()}"
                f"{f' (not {_named(left)})' if left else ''}, "
                f"partitions: {self.partitions}"
            )
        if self.milliseconds is not None:
            lines["time of an image"] = ", ".join(
                f"{value:.2f} ms ({threads} threads)"
                for threads, value in self.milliseconds.items()
            )
        if self.peak_bytes is not None:
            lines["peak memory"] = f"{self.peak_bytes / 1e6:.1f} MB"
        return "\n".join(f"{key:18}{value}" for key, value in lines.items())


def _named(counts):
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def check_limit(check: float | None, *given) -> None:
    """Raises an error if a limit is none, or nothing can be held against it.

    Args:
        check: least part of the images for which file and model must agree, or
            `None` for any.
        *given: what images were given, or `None`.

    Raises:
        ValueError: if it is.
    """
    if check is None:
        return
    if not (isinstance(check, Real) and 0 <= check <= 1):
        raise ValueError(
            f"`check` is {check!r}. Allowed: a number from 0 to 1, the part of "
            "the images that must agree, such as 0.99."
        )
    if all(one is None for one in given):
        raise ValueError(
            f"`check` is {check!r}, and no images are given: of the few of "
            "noise that file and model would be compared on it says nothing. "
            "Give `images` like those to come."
        )


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
            "be used. Take another precision or format. Nothing was written."
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
    content: bytes,
    expected: np.ndarray,
    images: np.ndarray,
    classifier: bool,
    precision: str,
    made: Mapping,
) -> dict:
    """Compares a LiteRT file with its model, and times it.

    Args:
        content: the file's content.
        expected: as for `compare`.
        images: as for `compare`.
        classifier: as for `compare`.
        precision: that asked for.
        made: how a file of 8 bits was made.

    Returns:
        Fields of a `Report`.

    Raises:
        ConversionError: if XNNPACK refuses the file, or it can't be run.
        AgreementError: as `compare`.
        ImportError: without ai-edge-litert.
    """
    with quietly():
        interpreter = runtime.interpreter_of(content, 2)
    counts, delegated, partitions = runtime.operators(interpreter)
    if not partitions:
        raise ConversionError(_refusal(precision))
    timed = _timed(content)
    scales = runtime.scales(interpreter)
    return {
        "format": "litert",
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
        "quantization": {**scales, **made} if scales else None,
    }


def _refusal(precision):
    """What to do about a file of which XNNPACK runs nothing."""
    reason = "none of its operators is one that XNNPACK has"
    if precision == "int8":
        reason = (
            "some values in 8 bits are constant, as of gates that calibration "
            "never saw move. Calibrate on images like those to come, take "
            "float_gates=True or precision='dynamic'"
        )
    return (
        f"XNNPACK refuses the file, and with it MediaPipe: {reason}. Nothing "
        "was written."
    )


def _timed(content):
    """What a process that has nothing but LiteRT says of a file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.tflite"
        file.write_bytes(content)
        # Not `-m`, which would import the package.
        command = [sys.executable, "-P", runtime.__file__, str(file)]
        process = subprocess.run(
            [*command, *map(str, THREADS)], capture_output=True, text=True
        )
    if process.returncode:
        code = process.returncode
        how = f"with code {code}"
        if code < 0:
            how = f"by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            how += ", as when the memory is full"
        raise ConversionError(
            f"LiteRT can't run the file by itself: its process ended {how}. "
            f"Its last words: {process.stderr.strip()[-500:] or 'none'}. "
            "Nothing was written."
        )
    return json.loads(process.stdout)
