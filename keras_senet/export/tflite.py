"""From a model to a file that an Android app loads as it is."""

import dataclasses
import importlib.metadata
import json
import logging
import tempfile
from collections.abc import Iterable, Sequence
from numbers import Real
from pathlib import Path

import keras
import numpy as np

from keras_senet._version import __version__
from keras_senet.architectures.card import DescribedModel
from keras_senet.data.images import ImageError
from keras_senet.export.pixels import is_classifier, taking_pixels
from keras_senet.export.report import (
    Report,
    measure,
    noise,
    outputs_of,
    write_files,
)
from keras_senet.inputs import find_inputs, prepare
from keras_senet.layers import SqueezeExcite
from keras_senet.litert.conversion import PRECISIONS, to_litert
from keras_senet.litert.metadata import add_metadata

logger = logging.getLogger("keras_senet")

# Images from which the ranges of 8 bits are read: with fewer it warns.
CALIBRATION = 100
# What is written beside a file.
BESIDE = (".json", ".labels.txt")


def export_tflite(
    model: DescribedModel,
    path: str | Path,
    precision: str = "float32",
    calibration_data=None,
    labels: Sequence[str] | str | Path | None = None,
    images=None,
    float_gates: bool = False,
    image_size: int | tuple[int, int] | None = None,
    check: float | None = None,
) -> Report:
    """Writes a LiteRT (TFLite) file that takes pixels and knows its labels.

    Normalisation is inside, and so is the softmax of a classifier that gives
    logits. Beside `NAME.tflite` are written `NAME.labels.txt` and `NAME.json`,
    which says all that is known of the file.

    Args:
        model: a model made by this package's constructors, or loaded from a
            `.keras` file of one.
        path: the file, which ends in `.tflite`.
        precision: `"float32"`; `"float16"`, weights in 16 bits, half the size;
            `"dynamic"`, weights in 8 bits, a quarter of the size; or `"int8"`,
            all in 8 bits, also the fastest: input and output are uint8.
            Defaults to `"float32"`.
        calibration_data: for `"int8"`, images like those to come, a hundred or
            more: a folder of images, an array `(images, height, width,
            channels)` with pixels in [0, 255], a list of paths and arrays, or
            a `tf.data.Dataset` of images or of (images, labels). Defaults to
            `None`.
        labels: names of the outputs in their order: a list, or the path of a
            text file with one a line. Defaults to `None`: the class names of
            `model.card`.
        images: images on which the file is compared with the model, as for
            `calibration_data`. Defaults to `None`: those for calibration, else
            a few of noise.
        float_gates: for `"int8"`, whether the SE gates compute in float32, for
            a network whose gates 8 bits hurt: slower. Defaults to `False`.
        image_size: height and width of the images in pixels, one number for
            both. Defaults to `None`: that of the model, or of its card.
        check: least part of the images, 0 to 1, for which file and model must
            agree on the most likely class. Defaults to `None`: any.

    Returns:
        A `Report`: size, operators, differences from the model, times, memory.

    Raises:
        ValueError: for an argument that doesn't fit, before work starts.
        ConversionError: if LiteRT lacks an operator; it is named.
        AgreementError: if they agree on less than `check`; nothing is written.
        ImportError: without ai-edge-litert.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> report = export_tflite(model, "se_resnet20.tflite")
    >>> report.precision, report.images
    ('float32', 8)
    """
    path = Path(path)
    _check(precision, calibration_data, float_gates, check)
    check_path(path, ".tflite")
    model = taking_pixels(model, image_size)
    labels = find_labels(labels, model)
    calibration = collect(calibration_data, model, "calibration_data")
    shown, source = collect(images, model, "images"), "images"
    if shown is None:
        shown, source = calibration, "calibration_data"
    if shown is None:
        shown, source = noise(model), "noise"
    if calibration is not None and len(calibration) < CALIBRATION:
        logger.warning(
            "The ranges of the activations are read from %d images; with a "
            "hundred or more the answers are better.",
            len(calibration),
        )
    expected = outputs_of(model, shown)
    if calibration is not None and shown is not calibration:
        # The converter ends the process where ranges are not finite.
        outputs_of(model, calibration)
    gates = _gates(model) if float_gates else ()
    if float_gates and not gates:
        raise ValueError(
            f"`float_gates` is True, and {model.name} has no SE block. Leave "
            "it out."
        )
    content = to_litert(
        model,
        precision,
        None if calibration is None else calibration[:, None],
        pixels=precision == "int8",
        float_layers=gates,
    )
    content = add_metadata(content, model.card.to_dict(), labels)
    report = Report(
        format="litert",
        precision=precision,
        images_from=source,
        **measure(content, expected, shown, is_classifier(model)),
    )
    if check is not None:
        report.check(check)
    write(path, content, model, labels, report, float_gates)
    return report


def write(path, content, model, labels, report, float_gates=False) -> None:
    """Writes a LiteRT file and what goes with it.

    Args:
        path: the file.
        content: its content.
        model: what it was made of.
        labels: names of the outputs, or `None`.
        report: its `Report`.
        float_gates: as for `export_tflite`. Defaults to `False`.
    """
    card = model.card.to_dict()
    del card["class_names"]
    versions = {
        name: importlib.metadata.version(name)
        for name in ("tensorflow", "keras", "ai-edge-litert")
    }
    facts = {
        "file": path.name,
        **dataclasses.asdict(report),
        "float_gates": float_gates,
        "outputs": model.output_shape[-1],
        "model": card,
        "versions": {"keras_senet": __version__, **versions},
    }
    files = {
        path: content,
        path.with_suffix(".json"): json.dumps(facts, indent=2, allow_nan=False)
        + "\n",
    }
    names = path.with_suffix(".labels.txt")
    if labels is not None:
        files[names] = "".join(f"{label}\n" for label in labels)
    write_files(files)
    if labels is None:
        # Those of a file that was here before.
        names.unlink(missing_ok=True)


def check_path(path: Path, suffix: str) -> None:
    """Raises an error if a file can't be written where it is wanted.

    Args:
        path: the file.
        suffix: how its name must end.

    Raises:
        ValueError: if it can't.
    """
    if path.suffix != suffix:
        allowed = f"a name that ends in {suffix}"
        if not suffix:
            allowed = "the name of a folder, without a dot"
        raise ValueError(f"`path` is {str(path)!r}. Allowed: {allowed}.")
    if not path.absolute().parent.is_dir():
        raise ValueError(
            f"`path` is {str(path)!r}, and there is no such folder. Make it "
            "first."
        )
    for one in (path, *map(path.with_suffix, BESIDE)):
        if one.is_dir():
            raise ValueError(
                f"`path` is {str(path)!r}, and {str(one)!r} is a folder. "
                "Remove it, or choose another name."
            )
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        raise ValueError(
            f"`path` is {str(path)!r}, where nothing can be written "
            f"({error.strerror}). Choose another folder."
        ) from error


def find_labels(labels, model: DescribedModel) -> list[str] | None:
    """Returns the names of a model's outputs.

    Args:
        labels: a list of names, the path of a file with one a line, or `None`
            for those of the card.
        model: the model.

    Returns:
        List of names; `None` if nobody knows them.

    Raises:
        ValueError: if there are not as many names as outputs.
    """
    source = "`labels` has"
    if labels is None:
        labels, source = model.card.class_names, "`card.class_names` has"
        if labels is None:
            return None
    elif isinstance(labels, (str, Path)):
        if not Path(labels).is_file():
            raise ValueError(
                f"`labels` is {str(labels)!r}, and there is no such file. Give "
                "a text file with one name a line, or a list of names."
            )
        source = f"{str(labels)!r} has"
        labels = _read_labels(Path(labels))
    elif not isinstance(labels, Iterable):
        raise ValueError(
            f"`labels` is {labels!r}. Allowed: a list of names, or the path of "
            "a text file with one a line."
        )
    labels = list(labels)
    for number, label in enumerate(labels):
        if not isinstance(label, str) or label.strip().splitlines() != [
            label.strip()
        ]:
            raise ValueError(
                f"{source} {label!r} as number {number}. Allowed: a text of "
                "one line, and none that is empty."
            )
    labels = [label.strip() for label in labels]
    outputs = model.output_shape[-1]
    if len(model.output_shape) != 2 or len(labels) != outputs:
        raise ValueError(
            f"{source} {len(labels)} names, and the outputs of {model.name} "
            f"are {model.output_shape[1:]}. Give one name per output."
        )
    return labels


def _read_labels(path):
    try:
        # Some editors begin a text with a mark that is no part of it.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`labels` is {str(path)!r}, which is no text in UTF-8. Save it as "
            "such."
        ) from error
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def collect(images, model: DescribedModel, argument: str):
    """Returns images as an array that a model takes.

    Args:
        images: as `export_tflite` takes them, or `None`.
        model: the model, which takes pixels.
        argument: what they are called in messages.

    Returns:
        Array `(images, height, width, channels)`; or `None`.

    Raises:
        ValueError: if none can be read, or they are no pixels.
    """
    if images is None:
        return None
    if isinstance(images, (str, Path)) and not Path(images).exists():
        raise ValueError(
            f"`{argument}` is {str(images)!r}, and there is no such file or "
            "folder."
        )
    if hasattr(images, "element_spec"):
        images = _of_dataset(images, argument)
    found = []
    for image in find_inputs(images):
        try:
            found.append(prepare(image, model))
        except ImageError as error:
            logger.warning("%s. It is left out.", error)
    if not found:
        raise ValueError(
            f"`{argument}` has no image that can be read. Give images like "
            "those to come."
        )
    found = np.stack(found)
    if found.dtype.kind not in "uif":
        raise ValueError(
            f"`{argument}` is of {found.dtype}. Allowed: numbers in [0, 255]."
        )
    if not np.isfinite(found).all():
        raise ValueError(f"`{argument}` has pixels that are not finite.")
    low, high = float(found.min()), float(found.max())
    if low < 0 or high > 255:
        raise ValueError(
            f"`{argument}` has values from {low:g} to {high:g}. Allowed: "
            "pixels in [0, 255], since the file normalises them itself. Give "
            "images that are not normalised."
        )
    if 0 < high <= 1:
        raise ValueError(
            f"`{argument}` has values from {low:g} to {high:g}, which look "
            "like images divided by 255. Allowed: pixels in [0, 255], since "
            "the file normalises them itself. Multiply by 255."
        )
    return found


def _of_dataset(data, argument):
    """The images of a dataset of tf.data, one by one or in batches."""
    import tensorflow as tf

    spec = data.element_spec
    spec = spec[0] if isinstance(spec, tuple) else spec
    if getattr(getattr(spec, "shape", None), "rank", None) not in (3, 4):
        raise ValueError(
            f"`{argument}` is a dataset of {data.element_spec}. Allowed: "
            "images, or pairs (images, labels), one by one or in batches."
        )
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            f"`{argument}` is a dataset without an end. Give a few hundred of "
            "its images: data.take(10) of batches."
        )
    images = []
    for element in data:
        image = element[0] if isinstance(element, tuple) else element
        array = np.asarray(image)
        images.extend(array if array.ndim == 4 else [array])
    return images


def _gates(model):
    """The names of the SE blocks."""
    return [
        layer.name
        for layer in model._flatten_layers()
        if isinstance(layer, SqueezeExcite)
    ]


def _check(precision, calibration_data, float_gates, check):
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Keras runs on {keras.backend.backend()}, and LiteRT's converter "
            "reads TensorFlow graphs. Set KERAS_BACKEND=tensorflow."
        )
    if precision not in PRECISIONS:
        raise ValueError(
            f"`precision` is {precision!r}. Allowed: "
            f"{', '.join(map(repr, PRECISIONS))}."
        )
    if precision == "int8" and calibration_data is None:
        raise ValueError(
            "precision='int8' needs `calibration_data`: images like those to "
            "come, a hundred or more, from which the ranges of the "
            "activations are read. Give a folder of them, or take "
            "precision='dynamic', which needs none."
        )
    if precision != "int8" and calibration_data is not None:
        raise ValueError(
            "`calibration_data` is for precision='int8' alone, and "
            f"`precision` is {precision!r}. Leave it out; `images` is what the "
            "file is compared on."
        )
    if precision != "int8" and float_gates:
        raise ValueError(
            "`float_gates` is for precision='int8' alone, and `precision` is "
            f"{precision!r}, whose gates compute in float32. Leave it out."
        )
    if check is not None and not (isinstance(check, Real) and 0 <= check <= 1):
        raise ValueError(
            f"`check` is {check!r}. Allowed: a number from 0 to 1, the part of "
            "the images that must agree, such as 0.99."
        )
