"""From a model to a file of another runtime, on Keras' own `model.export`."""

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from keras_senet._quiet import quietly
from keras_senet.architectures.card import DescribedModel
from keras_senet.export.pixels import is_classifier, taking_pixels
from keras_senet.export.report import Report, compare, noise, outputs_of
from keras_senet.export.tflite import check_path, collect, export_tflite


def export(
    model: DescribedModel,
    path: str | Path,
    format: str = "litert",
    images=None,
    image_size: int | tuple[int, int] | None = None,
    check: float | None = None,
    **options,
) -> Report:
    """Writes a model for another runtime, and compares the file with it.

    Like a LiteRT file, all of them take pixels in [0, 255], of a batch of any
    number of images, and a classifier gives probabilities.

    Args:
        model: as for `export_tflite`.
        path: the file, which ends in `.tflite`, `.onnx` or `.xml` (OpenVINO
            writes a `.bin` beside it); or the folder of a SavedModel.
        format: `"litert"`, which is `export_tflite`; `"saved_model"`, `"onnx"`
            or `"openvino"`. Defaults to `"litert"`.
        images: as for `export_tflite`. Defaults to `None`: a few of noise.
        image_size: as for `export_tflite`. Defaults to `None`.
        check: as for `export_tflite`. Defaults to `None`.
        **options: for `"litert"`, those of `export_tflite`.

    Returns:
        A `Report`.

    Raises:
        ValueError: for an argument that doesn't fit, before work starts.
        AgreementError: if they agree on less than `check`; nothing is written.
        ImportError: if what writes or runs the file is missing; it is named.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> keras_senet.export(model, "se_resnet20", format="saved_model").images
    8
    """
    if format not in FORMATS:
        raise ValueError(
            f"`format` is {format!r}. Allowed: {', '.join(map(repr, FORMATS))}."
        )
    if format == "litert":
        return export_tflite(
            model,
            path,
            images=images,
            image_size=image_size,
            check=check,
            **options,
        )
    if options:
        raise ValueError(
            f"`{next(iter(options))}` is for format='litert' alone, and "
            f"`format` is {format!r}. Leave it out."
        )
    suffix, modules, run = RUNTIMES[format]
    missing = [one for one in modules if importlib.util.find_spec(one) is None]
    if missing:
        raise ImportError(
            f"format={format!r} needs {', '.join(missing)}: pip install "
            f'"keras_senet[{format}]"'
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Keras runs on {keras.backend.backend()}; what it exports is "
            "compared on TensorFlow. Set KERAS_BACKEND=tensorflow."
        )
    path = Path(path)
    check_path(path, suffix)
    model = taking_pixels(model, image_size)
    shown, source = collect(images, model, "images"), "images"
    if shown is None:
        shown, source = noise(model), "noise"
    expected = outputs_of(model, shown)
    with tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder:
        made = Path(folder) / path.name
        with quietly():
            keras_name = KERAS_NAMES.get(format, format)
            model.export(str(made), format=keras_name, verbose=False)
            outputs = run(made)
        parts = sorted(Path(folder).iterdir())
        report = Report(
            format=format,
            precision="float32",
            file_bytes=sum(
                file.stat().st_size
                for file in Path(folder).rglob("*")
                if file.is_file()
            ),
            images_from=source,
            **compare(
                expected,
                lambda image: outputs(image[None]),
                shown,
                is_classifier(model),
            ),
        )
        if check is not None:
            report.check(check)
        for part in parts:
            part.replace(path.with_name(part.name))
    return report


def _saved_model(path) -> Callable[[np.ndarray], np.ndarray]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda images: loaded.serve(tf.cast(images, "float32")).numpy()


def _onnx(path) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        path.read_bytes(), providers=["CPUExecutionProvider"]
    )
    [taken] = session.get_inputs()
    return lambda images: session.run(
        None, {taken.name: images.astype("float32")}
    )[0]


def _openvino(path) -> Callable[[np.ndarray], np.ndarray]:
    import openvino

    # As exact as the file is: its default on some CPUs is bfloat16.
    model = openvino.Core().compile_model(
        str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return lambda images: model(images.astype("float32"))[0]


# By format: how its file is called, what writes and runs it, and what computes
# a file's outputs.
RUNTIMES = {
    "saved_model": ("", (), _saved_model),
    "onnx": (".onnx", ("tf2onnx", "onnxruntime"), _onnx),
    "openvino": (".xml", ("openvino",), _openvino),
}
KERAS_NAMES = {"saved_model": "tf_saved_model"}
FORMATS = ("litert", *RUNTIMES)
