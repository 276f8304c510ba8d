"""Preprocessing against keras.applications and plain numpy."""

import keras
import numpy as np
import pytest
from keras.src.applications import imagenet_utils

import keras_senet
from keras_senet import decode_predictions, preprocess_input
from keras_senet.preprocessing import class_names


@pytest.mark.parametrize(
    ("normalization", "mode"), [("imagenet", "torch"), ("signed", "tf")]
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_equals_keras_applications(normalization, mode, data_format, rng):
    shape = (2, 5, 6, 3) if data_format == "channels_last" else (2, 3, 5, 6)
    x = rng.uniform(0, 255, shape).astype("float32")
    expected = imagenet_utils.preprocess_input(
        x.copy(), data_format=data_format, mode=mode
    )
    result = preprocess_input(x, data_format, normalization)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    tensor = preprocess_input(
        keras.ops.convert_to_tensor(x), data_format, normalization
    )
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(tensor), expected, atol=1e-5
    )


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_never_writes_into_the_array_given(dtype):
    x = np.full((1, 2, 2, 3), 255, dtype)
    kept = x.copy()
    for normalization in (None, "imagenet", "mean", "signed"):
        preprocess_input(x, normalization=normalization)
        np.testing.assert_array_equal(x, kept)
    assert preprocess_input(x) is x


def test_the_network_does_the_same_inside(rng):
    x = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    for normalization in ("imagenet", "mean", "signed", ((1, 2, 3), (4, 5, 6))):
        inside = keras_senet.ResNet20(weights=None, normalization=normalization)
        outside = keras_senet.ResNet20(
            weights=None, include_preprocessing=False
        )
        outside.set_weights(inside.get_weights())
        prepared = preprocess_input(x, normalization=normalization)
        np.testing.assert_allclose(
            inside.predict_on_batch(x),
            outside.predict_on_batch(prepared),
            atol=1e-5,
        )


def test_class_names_are_those_of_keras(rng):
    names = class_names("imagenet")
    assert len(names) == len(set(names)) == 1000
    assert names[386] == "African elephant"
    assert names[0] == "tench"
    assert names[999] == "toilet tissue"


def test_decode_predictions_of_imagenet():
    scores = np.zeros((2, 1000))
    scores[0, 386], scores[0, 101] = 0.7, 0.2
    scores[1, 0] = 1
    first, second = decode_predictions(scores, top=2)
    assert first == [
        ("n02504458", "African elephant", 0.7),
        ("n01871265", "tusker", 0.2),
    ]
    assert second[0] == ("n01440764", "tench", 1.0)


def test_decode_predictions_of_other_classes():
    assert decode_predictions(np.eye(10)[[3]], top=1) == [[("cat", "cat", 1.0)]]
    assert decode_predictions(np.eye(2), 1, ["yes", "no"]) == [
        [("yes", "yes", 1.0)],
        [("no", "no", 1.0)],
    ]
    assert len(decode_predictions(np.eye(10), top=50)[0]) == 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.zeros(1000),), "(batch, classes)"),
        ((np.zeros((1, 7)),), "class_names"),
        ((np.zeros((1, 7)), 5, ["a"]), "1 names for 7 classes"),
        ((np.zeros((1, 10)), 0), "at least 1"),
    ],
)
def test_bad_predictions_get_a_sentence(arguments, words):
    with pytest.raises(ValueError) as error:
        decode_predictions(*arguments)
    assert words in str(error.value)
