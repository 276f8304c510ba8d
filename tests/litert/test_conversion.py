"""The cache of LiteRT files: what is found in it is what was asked for."""

import os

import keras
import numpy as np
import pytest

from keras_senet.layers import SqueezeExcite
from keras_senet.litert import conversion as litert

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="LiteRT's converter reads TensorFlow's graphs",
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SENET_HOME", str(tmp_path))
    return tmp_path / "litert"


def network(layer):
    """A network around a layer, called the same every time."""
    inputs = keras.Input((6, 6, 8), name="input")
    return keras.Model(inputs, layer(inputs), name="network")


def outputs_of(content, image):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def one_of_two(function):
    """A function of the same name as another."""

    def gate(x):
        return function(x)

    return gate


FUNCTIONS = (keras.ops.sigmoid, keras.ops.tanh)


def with_excitation(function):
    layer = SqueezeExcite(2, name="layer")
    layer.excitation = one_of_two(function)
    return network(layer)


def with_call(function):
    model = network(keras.layers.ReLU(name="layer"))
    model.get_layer("layer").call = one_of_two(function)
    return model


def with_lambda(function):
    return network(keras.layers.Lambda(one_of_two(function), name="layer"))


def with_class(function):
    class Layer(keras.layers.Layer):
        def call(self, x):
            return function(x)

    return network(Layer(name="layer"))


@pytest.mark.parametrize(
    "make", [with_excitation, with_call, with_lambda, with_class]
)
def test_functions_of_one_name_do_not_get_each_others_file(make, rng, folder):
    image = rng.standard_normal((1, 6, 6, 8)).astype("float32")
    for function in FUNCTIONS:
        model = make(function)
        content = litert.cached_litert(model)
        expected = keras.ops.convert_to_numpy(model(image, training=False))
        np.testing.assert_allclose(
            outputs_of(content, image), expected, atol=1e-5
        )
    assert not folder.exists()


def test_a_network_of_known_code_is_kept(folder, monkeypatch):
    def convert(reduction):
        layer = SqueezeExcite(reduction, kernel_initializer="ones", name="se")
        return litert.cached_litert(network(layer))

    content = convert(2)
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr(litert, "to_litert", lambda *_, **__: b"anew")
    assert convert(2) == content
    assert convert(4) == b"anew"


def test_the_cache_keeps_what_was_used_last(folder, monkeypatch):
    monkeypatch.setattr(litert, "KEPT", 3)
    monkeypatch.setattr(
        litert, "to_litert", lambda model, **_: model.layers[1].name.encode()
    )

    def use(number):
        """Uses a network, at a time of its own."""
        litert.cached_litert(network(keras.layers.ReLU(name=f"n{number}")))
        for file in folder.iterdir():
            times = file.stat()
            os.utime(file, (times.st_atime - 10, times.st_mtime - 10))

    use(0)
    left = folder / "hash.123.part"
    left.write_bytes(b"of a killed process")
    for number in (1, 2, 0, 3):
        use(number)
    contents = {file.read_bytes()[:2] for file in folder.iterdir()}
    assert contents == {b"n0", b"n2", b"n3"}


def test_the_converter_warns_of_nothing(recwarn):
    """It says of every file with bytes as inputs that it lacks statistics."""
    images = np.zeros((2, 1, 6, 6, 8), "float32")
    model = network(keras.layers.Conv2D(4, 3))
    litert.to_litert(model, "int8", images, pixels=True)
    assert not recwarn.list
