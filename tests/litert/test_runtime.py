"""What runs files, where a platform lacks something."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_senet.litert import runtime
from keras_senet.litert.conversion import to_litert

PROGRAM = """
import pathlib, sys
sys.modules["resource"] = None
import keras_senet
from keras_senet.litert import runtime
assert runtime._memory() > 0
pathlib.Path.exists = lambda path: False
assert runtime._memory() is None
"""


def test_without_the_module_that_windows_lacks():
    """The package is imported, and the memory is not measured."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="LiteRT's converter reads TensorFlow's graphs",
)
def test_pixels_of_any_type(rng):
    """As uint8, as float32 and between two steps of a file of 8 bits."""
    inputs = keras.Input((6, 5, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs / 255.0))
    images = rng.integers(0, 256, (20, 6, 5, 3), dtype="uint8")
    calibration = images.astype("float32")[:, None]
    content = to_litert(model, "int8", calibration, pixels=True)
    run = runtime.runner(runtime.interpreter_of(content, 1))
    outputs = run(images[0])
    np.testing.assert_array_equal(run(images[0].astype("float32")), outputs)
    np.testing.assert_array_equal(run(images[0] - 0.4), outputs)
    expected = model.predict(images[:1], verbose=0)
    assert np.abs(outputs - expected).max() < 0.02 * np.ptp(expected)
