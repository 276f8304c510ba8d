"""What computes a network's outputs: Keras, or LiteRT on a CPU."""

import importlib.util
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import keras
import numpy as np

from keras_senet._quiet import quietly
from keras_senet.architectures.card import DescribedModel
from keras_senet.device import on_cpu
from keras_senet.litert.runtime import interpreter_of, runner

ENGINES = ("auto", "keras", "litert")
# Images that the Keras graph takes at once.
BATCH = 32


def choose_engine(engine: str, precision: str, model: DescribedModel) -> str:
    """Returns the engine to take, of what was asked for.

    Args:
        engine: one of `ENGINES`.
        precision: `"float32"` or `"int8"`.
        model: the network to run.

    Returns:
        `"keras"` or `"litert"`.

    Raises:
        ValueError: if what is asked for can't run the model.
        ImportError: if LiteRT is asked for and not installed.
    """
    missing = None
    if keras.backend.backend() != "tensorflow":
        missing = "Keras on the TensorFlow backend (KERAS_BACKEND=tensorflow)"
    elif importlib.util.find_spec("ai_edge_litert") is None:
        missing = 'LiteRT: pip install "keras_senet[litert]"'
    elif None in model.input_shape[1:]:
        missing = "a model with a fixed input size"
    elif model.card.data_format == "channels_first":
        missing = "a model with data_format='channels_last'"
    elif any(layer.compute_dtype != "float32" for layer in model.layers):
        missing = "a model that computes in float32"
    if engine == "auto" and precision == "float32":
        return "litert" if missing is None and on_cpu() else "keras"
    if engine == "keras" and precision != "float32":
        raise ValueError(
            f"`precision` is {precision!r}, which engine='litert' alone has. "
            "Allowed with 'keras': 'float32'."
        )
    if engine != "keras" and missing is not None:
        error = ImportError if "pip install" in missing else ValueError
        asked = f"engine={engine!r}, precision={precision!r}"
        raise error(f"{asked} needs {missing}.")
    return "keras" if engine == "keras" else "litert"


class KerasEngine:
    """The Keras model as a graph of its backend.

    Args:
        model: a model with one input and one output.
    """

    def __init__(self, model: keras.Model):
        self._model = model

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns the outputs of a batch.

        Args:
            images: array of shape `(batch, *input_shape)`.

        Returns:
            Array of shape `(batch, *output_shape)`, float32.
        """
        outputs = [
            self._model.predict_on_batch(images[start : start + BATCH])
            for start in range(0, len(images), BATCH)
        ]
        return np.concatenate(outputs).astype("float32", copy=False)


class LiteRTEngine:
    """A LiteRT file of batch 1 on the threads of a CPU.

    One image is computed by all threads together. Of several every thread
    takes one at a time, which leaves nothing to wait for. Each thread then has
    the weights in the order that it wants, so memory is as many times theirs.

    Args:
        content: the file's content.
        threads: number of threads.
    """

    def __init__(self, content: bytes, threads: int):
        self._content = content
        self._threads = threads
        self._workers = {}

    def __reduce__(self):
        # A copy starts threads of its own.
        return type(self), (self._content, self._threads)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns the outputs of a batch.

        Args:
            images: array of shape `(batch, *input_shape)`.

        Returns:
            Array of shape `(batch, *output_shape)`, float32.
        """
        # Threads don't survive a fork: every process has its own.
        workers = self._workers.setdefault(
            os.getpid(), _Workers(self._content, self._threads)
        )
        return workers.compute(images)


class _Workers:
    """The threads and interpreters of one process, made when first needed."""

    def __init__(self, content, threads):
        self._content = content
        self._threads = threads
        self._apart = []
        # An interpreter holds one image at a time.
        self._lock = threading.Lock()

    def compute(self, images):
        with self._lock:
            if len(images) == 1 or self._threads == 1:
                return np.concatenate([self._together(one) for one in images])
            return self._compute_apart(images)

    def _compute_apart(self, images):
        while len(self._apart) < min(self._threads, len(images)):
            self._apart.append(self._interpreter(1))
        outputs = [None] * len(images)
        # Whoever is free takes the next.
        numbers = iter(range(len(images)))

        def work(interpreter):
            for number in numbers:
                outputs[number] = interpreter(images[number])

        list(self._pool.map(work, self._apart))
        return np.concatenate(outputs)

    @cached_property
    def _together(self):
        return self._interpreter(self._threads)

    @cached_property
    def _pool(self):
        return ThreadPoolExecutor(self._threads)

    def _interpreter(self, threads):
        with quietly():
            return runner(interpreter_of(self._content, threads))
