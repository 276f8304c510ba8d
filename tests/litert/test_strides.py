"""Strided pools of one pixel: the same values, in one part of the network."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from keras_senet.litert import conversion
from keras_senet.litert.conversion import to_litert

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="LiteRT's converter reads TensorFlow's graphs",
)


def network(pool_size):
    """A pool between two convolutions."""
    x = inputs = keras.Input((9, 8, 6), name="image")
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    x = keras.layers.AveragePooling2D(pool_size, strides=2)(x)
    x = keras.layers.Conv2D(4, 3, padding="same")(x)
    return keras.Model(inputs, x)


def run(content, images):
    """The outputs, the operators, and the parts that XNNPACK runs."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    [taken] = interpreter.get_input_details()
    [given] = interpreter.get_output_details()
    outputs = []
    for image in images:
        interpreter.set_tensor(taken["index"], image[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(given["index"])[0])
    names = [node["op_name"] for node in interpreter._get_ops_details()]
    return np.array(outputs), names, names.count("DELEGATE")


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8"])
def test_the_same_values_bit_by_bit(precision, monkeypatch, rng):
    model = network(1)
    images = rng.uniform(-2, 2, (40, 9, 8, 6)).astype("float32")
    calibration = images[:, None] if precision == "int8" else None
    made = to_litert(model, precision, calibration)
    monkeypatch.setattr(conversion, "without_strided_pools", lambda x: x)
    before = to_litert(model, precision, calibration)
    outputs, names, parts = run(made, images)
    expected, old_names, old_parts = run(before, images)
    np.testing.assert_array_equal(outputs, expected)
    assert "AVERAGE_POOL_2D" in old_names
    assert "AVERAGE_POOL_2D" not in names
    assert (old_parts, parts) == (2, 1)


def test_a_pool_of_more_pixels_stays(rng):
    images = rng.uniform(-2, 2, (1, 9, 8, 6)).astype("float32")
    _, names, parts = run(to_litert(network(2)), images)
    assert "AVERAGE_POOL_2D" in names
    assert parts == 1
