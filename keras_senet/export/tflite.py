"""From a model to a file that an Android app loads as it is."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras

from keras_senet.architectures.card import DescribedModel
from keras_senet.export.files import check_path, write
from keras_senet.export.images import collect, noise
from keras_senet.export.pixels import (
    check_channels,
    is_classifier,
    taking_pixels,
)
from keras_senet.export.report import (
    Report,
    check_limit,
    measure,
    outputs_of,
)
from keras_senet.layers import SqueezeExcite
from keras_senet.litert.conversion import PRECISIONS, to_litert
from keras_senet.litert.metadata import add_metadata

logger = logging.getLogger("keras_senet")

# Images from which the ranges of 8 bits are read: with fewer it warns.
CALIBRATION = 100


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
            `"dynamic"`, weights in 8 bits, a third of the size or less; or
            `"int8"`, all in 8 bits and as small: input and output are uint8.
            Defaults to `"float32"`.
        calibration_data: for `"int8"`, images like those to come, a hundred or
            more: a folder of images (of more than 1,000 so many are drawn), an
            array `(images, height, width, channels)` with pixels in [0, 255],
            a list of paths and arrays, or a `tf.data.Dataset` of images or of
            (images, labels), whose first 1,000 are taken. Defaults to `None`.
        labels: names of the outputs in their order: a list, or the path of a
            text file with one a line. Defaults to `None`: the class names of
            `model.card`.
        images: images on which the file is compared with the model, as for
            `calibration_data`. Defaults to `None`: those for calibration, else
            a few of noise.
        float_gates: for `"int8"`, whether the SE gates compute in float32, for
            a network whose gates 8 bits hurt; whether it has such gates is
            seen by measuring both. Defaults to `False`.
        image_size: height and width of the images in pixels, one number for
            both. Defaults to `None`: that of the model, or of its card.
        check: least part of the images, 0 to 1, for which file and model must
            agree on the most likely class; not of noise. Defaults to `None`:
            any.

    Returns:
        A `Report`: size, operators, differences from the model, times, memory.

    Raises:
        ValueError: for an argument that doesn't fit, before work starts.
        ConversionError: if LiteRT lacks an operator, which is named, or if it
            can't run the file.
        AgreementError: if they agree on less than `check`; nothing is written.
        ImportError: without ai-edge-litert.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> report = export_tflite(model, "se_resnet20.tflite")
    >>> report.precision, report.images
    ('float32', 8)
    """
    _check(precision, calibration_data, float_gates)
    check_limit(check, images, calibration_data)
    path = check_path(path, ".tflite")
    model = taking_pixels(model, image_size)
    check_channels(model)
    labels = find_labels(labels, model)
    calibration = collect(calibration_data, model, "calibration_data")
    shown, source = collect(images, model, "images"), "images"
    if shown is None:
        shown, source = calibration, "calibration_data"
    if shown is None:
        shown, source = noise(model), "noise"
    if calibration is not None and calibration.min() == calibration.max():
        raise ValueError(
            f"`calibration_data` is {calibration.flat[0]:g} in all pixels, "
            "from which no range can be read. Give images like those to come, "
            "with pixels in [0, 255]."
        )
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
    made = {}
    if calibration is not None:
        made = {
            "calibration_images": len(calibration),
            "float_gates": float_gates,
        }
    report = Report(
        precision=precision,
        images_from=source,
        **measure(
            content, expected, shown, is_classifier(model), precision, made
        ),
    )
    if check is not None:
        report.check(check)
    write(path, content, model.card, labels, report)
    return report


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


def _gates(model):
    """The names of the SE blocks."""
    return [
        layer.name
        for layer in model._flatten_layers()
        if isinstance(layer, SqueezeExcite)
    ]


def _check(precision, calibration_data, float_gates):
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
