"""From a model to a file of another runtime, on Keras' own `model.export`."""

import contextlib
import ctypes
import importlib.util
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_senet._quiet import quietly
from keras_senet.architectures.card import DescribedModel
from keras_senet.device import available_cores
from keras_senet.export.files import (
    beside,
    check_path,
    remove_stale,
    write_files,
)
from keras_senet.export.images import collect, noise
from keras_senet.export.pixels import is_classifier, taking_pixels
from keras_senet.export.report import (
    THREADS,
    Report,
    check_limit,
    compare,
    outputs_of,
)
from keras_senet.export.tflite import export_tflite, find_labels
from keras_senet.layers.grouped_conv import one_operator
from keras_senet.litert.conversion import ConversionError
from keras_senet.litert.runtime import milliseconds


def export(
    model: DescribedModel,
    path: str | Path,
    format: str = "litert",
    images=None,
    image_size: int | tuple[int, int] | None = None,
    check: float | None = None,
    labels: Sequence[str] | str | Path | None = None,
    **options,
) -> Report:
    """Writes a model for another runtime, and compares the file with it.

    Like a LiteRT file, all of them take pixels in [0, 255], of a batch of any
    number of images, and a classifier gives probabilities. Beside them are
    written `NAME.labels.txt` and `NAME.json`, as `export_tflite` does.

    Args:
        model: as for `export_tflite`.
        path: the file, which ends in `.tflite`, `.onnx` or `.xml` (OpenVINO
            writes a `.bin` beside it); or the folder of a SavedModel.
        format: `"litert"`, which is `export_tflite`; `"saved_model"`, `"onnx"`
            or `"openvino"`. Defaults to `"litert"`.
        images: as for `export_tflite`. Defaults to `None`: a few of noise.
        image_size: as for `export_tflite`. Defaults to `None`.
        check: as for `export_tflite`. Defaults to `None`.
        labels: as for `export_tflite`. Defaults to `None`: the class names of
            `model.card`.
        **options: for `"litert"`, the others of `export_tflite`.

    Returns:
        A `Report`. A SavedModel has its time with the threads that TensorFlow
        was started with, the others with 1, 2 and 4.

    Raises:
        ValueError: for an argument that doesn't fit, before work starts.
        ConversionError: if the format lacks an operator, or what runs it can't
            run the file.
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
            labels=labels,
            **options,
        )
    if options:
        raise ValueError(
            f"`{next(iter(options))}` is for format='litert' alone, and "
            f"`format` is {format!r}. Leave it out."
        )
    check_limit(check, images)
    suffix, modules, load = RUNTIMES[format]
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
    path = check_path(path, suffix)
    model = taking_pixels(model, image_size)
    labels = find_labels(labels, model)
    shown, source = collect(images, model, "images"), "images"
    if shown is None:
        shown, source = noise(model), "noise"
    expected = outputs_of(model, shown)
    with tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder:
        made = Path(folder) / path.name
        with quietly():
            keras_name = KERAS_NAMES.get(format, format)
            counts = THREADS if modules else _threads_of_tensorflow()
            times = {}
            try:
                with one_operator():
                    model.export(str(made), format=keras_name, verbose=False)
                for count in counts:
                    run = load(made, count)
                    times[count] = milliseconds(run, model.input_shape[1:])
            except (OSError, ImportError):
                raise
            except Exception as error:
                raise ConversionError(
                    f"{model.name} can't be exported as {format}: "
                    f"{_reason(str(error))} Nothing was written."
                ) from error
        report = Report(
            format=format,
            precision="float32",
            file_bytes=_size(Path(folder)),
            images_from=source,
            **compare(expected, run, shown, is_classifier(model)),
            milliseconds=times,
        )
        if check is not None:
            report.check(check)
        files = beside(made, model.card, labels, report)
        write_files(files)
        for part in sorted(Path(folder).iterdir()):
            part.replace(path.with_name(part.name))
    remove_stale(path, [path.with_name(file.name) for file in files])
    return report


def _reason(message):
    """What a converter or a runtime complains of, and what to do."""
    missing = re.search(
        r"(?:for operations:|No Op registered for) (\w+(?:, \w+)*)", message
    )
    if missing:
        return (
            f"it has no operator for {missing[1]}. Take a layer of Keras that "
            "it has, such as another activation."
        )
    words = message.strip().partition("\n")[0][:300]
    return f"{words} Take other layers, or another format."


def _size(folder):
    files = (file for file in folder.rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files)


def _saved_model(path, threads) -> Callable[[np.ndarray], np.ndarray]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda image: loaded.serve(tf.cast(image[None], "float32")).numpy()


def _threads_of_tensorflow():
    import tensorflow as tf

    # 0 where TensorFlow decides.
    given = tf.config.threading.get_intra_op_parallelism_threads()
    return (given or available_cores(),)


def _onnx(path, threads) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    [taken] = session.get_inputs()
    return lambda image: session.run(
        None, {taken.name: image[None].astype("float32")}
    )[0]


class _SignalStack(ctypes.Structure):
    """Where a thread handles signals (stack_t of Linux' signal.h)."""

    _fields_ = (
        ("place", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


@contextlib.contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Gives this thread back the stack on which it handles signals.

    OpenVINO 2026.4 makes one of its own when it compiles, and frees it with the
    compiled model: the next Ctrl-C or SIGTERM would then end the process with a
    segmentation fault.
    """
    if sys.platform != "linux":
        yield
        return
    kept, library = _SignalStack(), ctypes.CDLL(None)
    library.sigaltstack(None, ctypes.byref(kept))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(kept), None)


def _openvino(path, threads) -> Callable[[np.ndarray], np.ndarray]:
    import openvino

    # As exact as the file is: its default on some CPUs is bfloat16.
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
    }
    with signal_stack_kept():
        model = openvino.Core().compile_model(str(path), "CPU", settings)
    return lambda image: model(image[None].astype("float32"))[0]


# By format: how its file is called, what writes and runs it, and what computes
# an image's outputs with so many threads.
RUNTIMES = {
    "saved_model": ("", (), _saved_model),
    "onnx": (".onnx", ("tf2onnx", "onnxruntime"), _onnx),
    "openvino": (".xml", ("openvino",), _openvino),
}
KERAS_NAMES = {"saved_model": "tf_saved_model"}
FORMATS = ("litert", *RUNTIMES)
