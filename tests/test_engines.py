"""LiteRT's engine where processes and threads come and go."""

import copy
import os
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_senet.engines import KerasEngine, LiteRTEngine
from keras_senet.litert.conversion import to_litert

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="LiteRT's converter reads TensorFlow's graphs",
)


@pytest.fixture(scope="module")
def model():
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(4, 3),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )


@pytest.fixture(scope="module")
def content(model):
    return to_litert(model)


@pytest.fixture
def images(rng):
    return rng.standard_normal((5, 6, 6, 3)).astype("float32")


FORK = """
import os, signal, sys
import numpy as np
from keras_senet.engines import LiteRTEngine

content, images = open(sys.argv[1], "rb").read(), np.load(sys.argv[2])
engine = LiteRTEngine(content, 2)
before = engine(images), engine(images[:1])
child = os.fork()
if child == 0:
    signal.alarm(60)
    for expected, part in zip(before, (images, images[:1])):
        np.testing.assert_array_equal(engine(part), expected)
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


@on_tensorflow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is Unix's")
def test_it_works_in_a_process_forked_after_a_batch(content, images, tmp_path):
    (tmp_path / "file").write_bytes(content)
    np.save(tmp_path / "images.npy", images)
    paths = [tmp_path / "file", tmp_path / "images.npy"]
    subprocess.run([sys.executable, "-c", FORK, *paths], check=True)


@on_tensorflow
def test_a_copy_works_after_a_batch(model, content, images):
    engine = LiteRTEngine(content, 2)
    engine(images)
    expected = keras.ops.convert_to_numpy(model(images))
    for one in (pickle.loads(pickle.dumps(engine)), copy.deepcopy(engine)):
        np.testing.assert_allclose(one(images), expected, atol=1e-5)


@on_tensorflow
def test_no_more_interpreters_are_built_than_there_are_images(
    content, images, monkeypatch
):
    from ai_edge_litert import interpreter

    built = []

    class Counted(interpreter.Interpreter):
        def __init__(self, **arguments):
            built.append(arguments)
            super().__init__(**arguments)

    monkeypatch.setattr(interpreter, "Interpreter", Counted)
    engine = LiteRTEngine(content, 1000)
    for count in (2, 5):
        assert engine(images[:count]).shape == (count, 4)
        assert len(built) == count


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16"])
def test_the_outputs_of_keras_are_float32(dtype, images):
    inputs = keras.Input((6, 6, 3))
    outputs = keras.layers.Flatten(dtype=dtype)(inputs)
    engine = KerasEngine(keras.Model(inputs, outputs))
    assert engine(images).dtype == np.float32
    np.testing.assert_allclose(engine(images), images.reshape(5, -1), atol=0.02)
