"""A model as a LiteRT (TFLite) flatbuffer."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

from keras_senet._quiet import quietly
from keras_senet._version import __version__
from keras_senet.weights.store import cache_folder

PRECISIONS = ("float32", "int8")
# How many files the cache keeps: those that were used last.
KEPT = 16
# Whose code a configuration names: everybody else's may change under its name.
_KNOWN = ("keras", "keras_senet")


class ConversionError(ValueError):
    """A model that LiteRT's converter does not take."""


def to_litert(
    model: keras.Model,
    precision: str = "float32",
    calibration: Iterable[np.ndarray] | None = None,
) -> bytes:
    """Returns a model as a LiteRT file for one image at a time.

    Args:
        model: a functional model with one input and one output, on the
            TensorFlow backend.
        precision: `"float32"`, or `"int8"` for weights and activations in 8
            bits, with input and output in float32. Defaults to `"float32"`.
        calibration: for `"int8"`, arrays of shape `(1, height, width,
            channels)` as the model takes them, from which the ranges of the
            activations are read; a hundred or more. Defaults to `None`.

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

    # The public ways (model.export, from_keras_model) write the weights to
    # disk and read them again, which is most of their time.
    from tensorflow.python.framework import convert_to_constants

    def forward(images):
        return model(images, training=False)

    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    with quietly(show=False):
        traced = tf.function(forward, autograph=False).get_concrete_function(
            signature
        )
        frozen = convert_to_constants.convert_variables_to_constants_v2(traced)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        if precision == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                [np.asarray(image, "float32")] for image in calibration
            )
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS_INT8
            ]
        try:
            return converter.convert()
        except Exception as error:
            # The message goes on with the whole graph.
            reason = str(error).strip().partition("\n")[0][:300]
            raise ConversionError(
                f"LiteRT can't convert {model.name}: {reason}"
            ) from None


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
    temporary = path.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content + hashlib.sha256(content).digest())
        temporary.replace(path)
        _tidy(path.parent)
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)
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
