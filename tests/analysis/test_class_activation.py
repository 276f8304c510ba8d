"""Grad-CAM against its closed form and against finite differences."""

import keras
import numpy as np
import pytest
from PIL import Image

import keras_senet
from keras_senet.analysis import grad_cam


def as_numpy(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def enlarged(heat, size):
    """Half-pixel bilinear interpolation, written out."""
    places = (np.arange(size) + 0.5) * len(heat) / size - 0.5
    places = places.clip(0, len(heat) - 1)
    low = np.floor(places).astype(int).clip(max=len(heat) - 2)
    part = places - low
    rows = heat[low] * (1 - part)[:, None] + heat[low + 1] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, low + 1] * part


@pytest.mark.parametrize("activation", ["softmax", None])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_last_map_is_weighted_by_the_classifier(
    data_format, activation, rng
):
    """Behind a global average, the gradient is the dense layer's column."""
    first = data_format == "channels_first"
    if first and keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no channels first on a CPU")
    model = keras_senet.SEResNet20(
        weights=None,
        data_format=data_format,
        classifier_activation=activation,
        input_shape=(3, 32, 32) if first else (32, 32, 3),
    )
    x = rng.uniform(0, 255, model.input_shape[1:]).astype("float32")
    probe = keras.Model(
        model.input, model.get_layer("conv4_block3_relu").output
    )
    [maps] = probe.predict_on_batch(x[None])
    maps = np.moveaxis(maps, 0, -1) if first else maps
    column = as_numpy(model.layers[-1].kernel)[:, 7]
    expected = enlarged(np.maximum(maps @ column, 0), 32)
    heat = grad_cam(model, x, 7)
    assert heat.shape == (32, 32)
    np.testing.assert_allclose(heat, expected / expected.max(), atol=1e-4)


def test_an_earlier_map_is_weighted_by_finite_differences(rng):
    """The mean gradient of a channel: how the score follows its mean."""
    model = keras_senet.SEResNet20(weights=None, dtype="float64")
    for layer in model.layers:
        # Smooth, so that steps may be large: torch and JAX have 32 bits here.
        if isinstance(layer, keras.layers.ReLU):
            layer.call = keras.activations.silu
        elif isinstance(layer, keras_senet.SqueezeExcite):
            layer.activation = keras.activations.silu
    x = rng.uniform(0, 255, (32, 32, 3))
    name, index, step = "conv4_block1_relu", 2, 1e-2
    middle = model.get_layer(name).output
    before = keras.Model(model.input, middle)
    after = keras.Model(middle, model.layers[-1].input)
    kernel = as_numpy(model.layers[-1].kernel)
    maps = as_numpy(before(x[None], training=False))
    places = maps.shape[1] * maps.shape[2]
    moved = np.repeat(maps, 64, 0)
    weights = 0
    for sign in (1, -1):
        shifted = moved + sign * step * np.eye(64)[:, None, None]
        # `predict` would make float32 of it.
        features = as_numpy(after(shifted, training=False))
        weights = weights + sign * features @ kernel[:, index]
    weights /= 2 * step * places
    expected = np.maximum(maps[0] @ weights, 0)
    expected = Image.fromarray(expected.astype("float32"))
    expected = np.asarray(expected.resize((32, 32), Image.BILINEAR))
    heat = grad_cam(model, x, index, layer=name)
    np.testing.assert_allclose(heat, expected / expected.max(), atol=1e-3)


def test_the_class_is_the_best_by_default(rng):
    model = keras_senet.SEResNet20(weights="cifar10")
    x = rng.uniform(0, 255, (32, 32, 3)).astype("float32")
    best = int(model.predict_on_batch(x[None]).argmax())
    heats = [grad_cam(model, x, label) for label in range(10)]
    np.testing.assert_array_equal(grad_cam(model, x), heats[best])
    assert not np.allclose(heats[0], heats[1], atol=0.01)


def test_any_model_whose_last_layer_is_an_activation(rng):
    image = keras.Input((12, 16, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", activation="relu")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    kernel = rng.standard_normal((5, 4)).astype("float32")
    dense = keras.layers.Dense(4)
    model = keras.Model(image, keras.layers.Softmax()(dense(x)))
    dense.kernel.assign(kernel)
    x = rng.standard_normal((12, 16, 3)).astype("float32")
    maps = keras.Model(image, model.layers[1].output).predict_on_batch(x[None])
    expected = np.maximum(maps[0] @ kernel[:, 1], 0)
    np.testing.assert_allclose(
        grad_cam(model, x, 1), expected / expected.max(), atol=1e-5
    )


def test_nothing_speaks_for_the_class():
    model = keras_senet.SEResNet20(weights=None)
    model.layers[-1].kernel.assign(-np.ones((64, 10)))
    assert not grad_cam(model, np.zeros((32, 32, 3)), 0).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"class_index": 10}, "0 to 9"),
        ({"layer": "conv9"}, "no layer 'conv9'"),
        ({"layer": "conv4_block2_1_conv"}, "everything passes"),
        ({"image": np.zeros((1, 32, 32, 3))}, "without a batch"),
    ],
)
def test_what_there_is_not_is_an_error(arguments, words):
    model = keras_senet.SEResNet20(weights=None)
    with pytest.raises(ValueError, match=words):
        grad_cam(model, **{"image": np.zeros((32, 32, 3)), **arguments})
