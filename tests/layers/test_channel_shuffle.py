"""ChannelShuffle against numpy."""

import keras
import numpy as np
import pytest

from keras_senet.layers import ChannelShuffle


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("axis", [-1, 1])
def test_equals_numpy(groups, axis, rng):
    x = rng.standard_normal((2, 5, 7, 12))
    expected = x.reshape(2, 5, 7, groups, -1).swapaxes(3, 4).reshape(x.shape)
    given = np.moveaxis(x, -1, axis)
    result = keras.ops.convert_to_numpy(
        ChannelShuffle(groups, axis=axis)(given)
    )
    np.testing.assert_allclose(
        np.moveaxis(result, axis, -1), expected, rtol=1e-6
    )


def test_the_docstring_example():
    result = ChannelShuffle(2)(np.array([[0, 1, 2, 3]]))
    assert keras.ops.convert_to_numpy(result).tolist() == [[0, 2, 1, 3]]


def test_size_may_be_unknown(rng):
    image = keras.Input((None, None, 6))
    model = keras.Model(image, ChannelShuffle(3)(image))
    x = rng.standard_normal((2, 4, 5, 6)).astype("float32")
    expected = x.reshape(2, 4, 5, 3, 2).swapaxes(3, 4).reshape(x.shape)
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


def test_error_of_channels_that_cannot_be_divided():
    with pytest.raises(ValueError, match="does not divide the 8 channels"):
        ChannelShuffle(3)(np.zeros((1, 4, 4, 8)))
