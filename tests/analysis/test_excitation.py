"""The gates of whole networks."""

import keras
import numpy as np
import pytest

import keras_senet
from keras_senet.analysis import excitations


def test_gates_explain_the_outputs_of_each_block(rng):
    """Output of a block = its input times its gates."""
    model = keras_senet.SEResNet20(weights=None)
    x = rng.uniform(0, 255, (5, 32, 32, 3)).astype("float32")
    gates = excitations(model, x, batch_size=2)
    assert list(gates) == [
        f"conv{stage}_block{block}_se"
        for stage in (2, 3, 4)
        for block in (1, 2, 3)
    ]
    for name, values in gates.items():
        layer = model.get_layer(name)
        probe = keras.Model(model.input, [layer.input, layer.output])
        before, after = probe.predict_on_batch(x)
        assert values.shape == (5, before.shape[-1])
        np.testing.assert_allclose(
            after, before * values[:, None, None], atol=1e-4
        )


def test_a_network_without_blocks_is_an_error():
    with pytest.raises(ValueError, match="no SqueezeExcite layer"):
        excitations(
            keras_senet.ResNet20(weights=None), np.zeros((1, 32, 32, 3))
        )
