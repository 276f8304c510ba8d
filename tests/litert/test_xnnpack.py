"""What XNNPACK lacks: the same values, in one part of the network."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from small import run_litert

from keras_senet.architectures.build import normalization_layer
from keras_senet.litert import conversion
from keras_senet.litert.conversion import to_litert
from keras_senet.litert.xnnpack import for_xnnpack

LAST = "channels_last"
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="LiteRT's converter reads TensorFlow's graphs",
)


def network(*between, channels=6, before=()):
    """Layers between two convolutions."""
    x = inputs = keras.Input((9, 8, 3 if before else 6), name="image")
    for layer in before:
        x = layer(x)
    x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
    for layer in between:
        x = layer(x)
    x = keras.layers.Conv2D(4, 3, padding="same")(x)
    return keras.Model(inputs, x)


def normalized(x):
    """As every network begins."""
    return normalization_layer((1.0, 2.0, 3.0), (4.0, 5.0, 0.3), LAST, None)(x)


def other_side(x):
    """A constant as the first of two, and one of a single number."""
    constant = np.array([2.0, 3.0, 0.5], "float32")
    return 0.7 * keras.ops.subtract(constant, x)


def pool(size, **options):
    return keras.layers.AveragePooling2D(size, strides=2, **options)


def concatenated(x):
    """A ReLU by itself, of values below and above zero."""
    parts = [keras.layers.Conv2D(6, 3, padding="same")(x), x]
    return keras.layers.ReLU()(keras.layers.Concatenate()(parts))


def run(content, images):
    """The outputs, the operators, and the parts that XNNPACK runs."""
    outputs, interpreter = run_litert(content, images)
    names = [node["op_name"] for node in interpreter._get_ops_details()]
    return outputs, names, names.count("DELEGATE")


def constants(content):
    """The shapes of what sums, differences and products have besides a map."""
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    shapes = {
        tensor["index"]: tuple(map(int, tensor["shape"]))
        for tensor in interpreter.get_tensor_details()
    }
    return [
        min((shapes[place] for place in node["inputs"]), key=np.prod)
        for node in interpreter._get_ops_details()
        if node["op_name"] in ("ADD", "SUB", "MUL")
    ]


def both(model, images, precision, monkeypatch):
    """What `run` gives of the converter's file, and of the one made of it."""
    calibration = images[:, None] if precision == "int8" else None
    made = to_litert(model, precision, calibration)
    monkeypatch.setattr(conversion, "for_xnnpack", lambda content: content)
    before = to_litert(model, precision, calibration)
    return run(before, images), run(made, images)


@pytest.fixture
def images(rng):
    return rng.uniform(-2, 2, (40, 9, 8, 6)).astype("float32")


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8"])
def test_a_pool_of_one_pixel_bit_by_bit(precision, images, monkeypatch):
    (expected, before, parts), (outputs, after, fewer) = both(
        network(pool(1)), images, precision, monkeypatch
    )
    np.testing.assert_array_equal(outputs, expected)
    assert "AVERAGE_POOL_2D" in before
    assert "AVERAGE_POOL_2D" not in after
    assert (parts, fewer) == (2, 1)


@pytest.mark.parametrize("precision", ["float32", "dynamic", "int8"])
@pytest.mark.parametrize("layer", [normalized, other_side])
def test_constants_of_a_row_bit_by_bit(layer, precision, images, monkeypatch):
    model = network(before=[layer])
    shapes = []

    def spied(content):
        made = for_xnnpack(content)
        shapes.extend(map(constants, (content, made)))
        return made

    monkeypatch.setattr(conversion, "for_xnnpack", spied)
    (expected, *_), (outputs, _, parts) = both(
        model, images[..., :3], precision, monkeypatch
    )
    np.testing.assert_array_equal(outputs, expected)
    before, after = shapes
    assert before[0][-1] == 3
    assert np.prod(before[0]) == 3
    # A number by itself is one for all already.
    assert after == [
        (1, 1, 8, 3) if np.prod(shape) == 3 else shape for shape in before
    ]
    assert parts == 1


@pytest.mark.parametrize(
    ("layers", "operator"),
    [
        ([pool(3)], "AVERAGE_POOL_2D"),
        ([pool((2, 3))], "AVERAGE_POOL_2D"),
        ([concatenated], "RELU"),
    ],
)
def test_eight_bits(layers, operator, images, monkeypatch):
    """As LiteRT's own kernels compute them, but for ties in rounding."""
    model = network(*layers)
    (expected, before, parts), (outputs, after, fewer) = both(
        model, images, "int8", monkeypatch
    )
    # The convolution behind takes 9 pixels, each of them a step away at most.
    kernel = np.abs(model.layers[-1].kernel).sum((0, 1, 2)).max()
    step = np.ptp(expected) / 255
    difference = np.abs(outputs - expected)
    assert difference.max() <= step + kernel * step
    assert difference.mean() < step / 3
    assert operator in before
    assert operator not in after
    assert (parts, fewer) == (2, 1)


def test_a_large_kernel_of_a_depthwise_convolution(images, monkeypatch):
    """The kernel's 256 values stay; the map is no longer rounded."""
    # The converter leaves kernels of fewer than 1024 weights in float32.
    layer = keras.layers.DepthwiseConv2D(3, padding="same")
    model = network(layer, channels=128)
    (rounded, before, parts), (outputs, after, fewer) = both(
        model, images, "dynamic", monkeypatch
    )
    assert "DEPTHWISE_CONV_2D" in before
    assert "DEPTHWISE_CONV_2D" in after
    assert (parts, fewer) == (2, 1)
    kernel = np.asarray(layer.kernel)
    scale = np.abs(kernel).max((0, 1), keepdims=True) / 127
    layer.kernel.assign(np.rint(kernel / scale) * scale)
    expected = model.predict(images, verbose=0)
    lost = np.abs(outputs - expected).mean()
    assert lost < 0.03 * expected.std()
    assert lost <= np.abs(rounded - expected).mean()


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_what_is_no_average_of_ones_stays(precision, images, monkeypatch):
    """XNNPACK has pools of float32; padded ones have fewer pixels at edges."""
    model = network(pool(3, padding="same"))
    _, (_, names, parts) = both(model, images, precision, monkeypatch)
    assert "AVERAGE_POOL_2D" in names
    assert parts == {"float32": 1, "int8": 2}[precision]
