"""A model as a LiteRT (TFLite) flatbuffer."""

import contextlib
import hashlib
import logging
import re
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_senet._quiet import quietly
from keras_senet._version import __version__
from keras_senet.layers.grouped_conv import one_operator
from keras_senet.litert.flatbuffer import packed
from keras_senet.litert.xnnpack import for_xnnpack
from keras_senet.replace import replaced
from keras_senet.weights.store import cache_folder

logger = logging.getLogger("keras_senet")

PRECISIONS = ("float32", "float16", "dynamic", "int8")
# How many files the cache keeps: those that were used last.
KEPT = 16
# A range that the converter makes up itself where calibration saw none. XNNPACK
# refuses its steps.
DEAD = 2e-6
# Whose code a configuration names: everybody else's may change under its name.
_KNOWN = ("keras", "keras_senet")


class ConversionError(ValueError):
    """A model that a converter does not take, or a file that can't be run."""


def to_litert(
    model: keras.Model,
    precision: str = "float32",
    calibration: Iterable[np.ndarray] | None = None,
    pixels: bool = False,
    float_layers: Sequence[str] = (),
) -> bytes:
    """Returns a model as a LiteRT file for one image at a time.

    Args:
        model: a functional model with one input and one output, on the
            TensorFlow backend.
        precision: `"float32"`; `"float16"`, weights in 16 bits; `"dynamic"`,
            weights in 8 bits; or `"int8"`, weights and activations in 8 bits.
            Defaults to `"float32"`.
        calibration: for `"int8"`, arrays of shape `(1, height, width,
            channels)` as the model takes them, from which the ranges of the
            activations are read; a hundred or more. Defaults to `None`.
        pixels: for `"int8"`, whether input and output are uint8, the input in
            pixels of [0, 255], and not float32. Defaults to `False`.
        float_layers: for `"int8"`, names of layers that compute in float32.
            Defaults to none.

    Returns:
        The content of a `.tflite` file.

    Raises:
        ValueError: if the backend is another.
        ConversionError: if the model has operations that LiteRT has not.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> content = to_litert(model)
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Keras' backend is {keras.backend.backend()!r}, and LiteRT's "
            "converter reads TensorFlow graphs. Set KERAS_BACKEND=tensorflow, "
            "or take engine='keras'."
        )
    import tensorflow as tf

    dead = []
    with quietly(show=False), _without_warnings():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [_frozen(model)]
        )
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision == "int8":
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS_INT8
            ]
            converter.representative_dataset = lambda: (
                [np.asarray(image, "float32")]
                for image in _whole_range(calibration, pixels)
            )
            converter._experimental_calibrate_only = True
        try:
            content = converter.convert()
            if precision == "int8":
                apart = _inside(content, float_layers)
                content, dead = _with_ranges(content, apart)
                content = _quantized(content, pixels, apart)
        except Exception as error:
            raise ConversionError(
                f"LiteRT can't convert {model.name}: {_reason(str(error))}"
            ) from None
    if dead:
        logger.warning(
            "Zero in all images of calibration: %s. A narrow gate may be shut "
            "for every image, of which 8 bits lose nothing. If others open it, "
            "they keep its values from 0 to 1: calibrate on images like those "
            "to come.",
            ", ".join(dead),
        )
    return for_xnnpack(content)


@contextlib.contextmanager
def _without_warnings():
    """Keeps the converter's warnings, such as of statistics it doesn't need.

    In a notebook these don't go through the standard error of the process.
    """
    # Here, since it takes its logger from whoever makes it first.
    from absl import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)


def _frozen(model):
    """The graph of a model for one image, its variables as constants."""
    import tensorflow as tf

    # The public ways (model.export, from_keras_model) write the weights to
    # disk and read them again, which is most of their time.
    from tensorflow.python.framework import convert_to_constants

    def forward(image):
        return model(image, training=False)

    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    with one_operator():
        traced = tf.function(forward, autograph=False).get_concrete_function(
            signature
        )
    return convert_to_constants.convert_variables_to_constants_v2(traced)


def _inside(calibrated, layers):
    """The names of the tensors of some layers."""
    if not layers:
        return []
    from ai_edge_litert.interpreter import Interpreter

    layers = "|".join(map(re.escape, layers))
    # The name of a tensor is that of its operation, or those of several that
    # became one. Keras adds a number to a name that it has used before.
    inside = re.compile(rf"(^|/)({layers})(_\d+)?/")
    tensors = Interpreter(model_content=calibrated).get_tensor_details()
    return [x["name"] for x in tensors if inside.search(x["name"])]


def _with_ranges(calibrated, apart):
    """The file that calibration gave, with a range for maps that never moved.

    Such as the bottleneck of a narrow gate, of which ReLU leaves nothing. Their
    names are returned too, but for those apart, which get no 8 bits.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    dead = []
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            name, seen = tensor.name.decode(), tensor.quantization
            if seen is None or seen.min is None or name in apart:
                continue
            if max(*seen.max, 0) - min(*seen.min, 0) < DEAD:
                seen.min, seen.max = [0.0], [1.0]
                # Of an operation that several became, it has all their names.
                dead.append(name.partition(";")[0])
    return packed(model) if dead else calibrated, dead


def _quantized(calibrated, pixels, apart):
    """The file in 8 bits, with some tensors left in float32.

    TensorFlow's public way to it, QuantizationDebugger, has no uint8 inputs.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    outside = tf.uint8 if pixels else tf.float32
    return mlir_quantize(
        calibrated,
        input_data_type=outside,
        output_data_type=outside,
        denylisted_nodes=apart or None,
    )


def _whole_range(calibration, pixels):
    """The images, among pixels one with black and white in it.

    The range of the input is what calibration saw of it. From 0 to 255 a step
    of uint8 is one of pixels, as every camera gives them.
    """
    for number, image in enumerate(calibration):
        yield image
        if pixels and number == 0:
            image = np.array(image)
            image[:, 0, 0], image[:, -1, -1] = 0, 255
            yield image


def _reason(message):
    """What the converter complains of; its message goes on with the graph."""
    missing = re.search(r"(?:Select|Custom|Flex) ops?: ([\w, ]+)", message)
    if missing:
        return (
            f"LiteRT has no operator for {missing[1].strip()}. Take a layer "
            "of Keras that it has, such as another activation."
        )
    return message.strip().partition("\n")[0][:300]


def cached_litert(model: keras.Model, **options) -> bytes:
    """Returns what `to_litert` does, from the cache if it has done it before.

    Args:
        model: the model.
        **options: those of `to_litert`.

    Returns:
        The content of a `.tflite` file.
    """
    # The configuration and the weights name a file. They would not tell other
    # calibrations apart, nor two functions of one name.
    if options.get("precision", "float32") != "float32" or not _is_known(model):
        return to_litert(model, **options)
    import tensorflow as tf

    digest = hashlib.sha256(
        f"{__version__} {tf.__version__} {model.to_json()}".encode()
    )
    for variable in model.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).data)
    path = cache_folder() / "litert" / f"{digest.hexdigest()}.tflite"
    with contextlib.suppress(OSError):
        content, sha256 = _parted(path.read_bytes())
        if hashlib.sha256(content).digest() == sha256:
            with contextlib.suppress(OSError):
                path.touch()
            return content
    if sys.stderr.isatty():
        print(f"converting {model.name} to LiteRT, once", file=sys.stderr)
    content = to_litert(model, **options)
    # The cache may be read-only or full, which costs time and nothing else.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as partial:
            partial.write_bytes(content + hashlib.sha256(content).digest())
        _tidy(path.parent)
    return content


def _is_known(model):
    """Whether all code that computes a model is Keras' or this package's."""
    layers = model._flatten_layers()
    return all(
        str(getattr(part, "__module__", None)).partition(".")[0] in _KNOWN
        for layer in layers
        for one in (layer, *getattr(layer, "operations", ()))
        for part in (one, one.call, *filter(callable, vars(one).values()))
    )


def _tidy(folder: Path):
    """Removes all files but those used last, whole or left by a killed process.

    Args:
        folder: the folder of the cache.
    """
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)
    for file in files[:-KEPT]:
        file.unlink(missing_ok=True)


def _parted(cached):
    """The content of a cached file, and the hash behind it."""
    size = hashlib.sha256().digest_size
    return cached[:-size], cached[-size:]
