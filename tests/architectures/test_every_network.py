"""Every network of the registry, built once: names of layers, and counts."""

import dataclasses
import hashlib
import json
from pathlib import Path

import keras
import pytest
from small import FAST, slow_but

import keras_senet
from keras_senet import SqueezeExcite
from keras_senet.analysis import complexity
from keras_senet.analysis.cost import table
from keras_senet.architectures.table import NETWORKS, plain_twin

# Made by `PYTHONPATH=tests python tests/architectures/test_every_network.py`; a
# change to it breaks its users' programs.
FROZEN = Path(__file__).with_name("layer_names.json")


def digest(model):
    """How many layers there are, and a hash of their names in order."""
    names = "\n".join(layer.name for layer in model.layers)
    return [len(model.layers), hashlib.sha256(names.encode()).hexdigest()]


# The deeper and wider forms are made by the same lines.
@pytest.mark.parametrize("name", slow_but(FAST, keras_senet.list_models()))
def test_names_are_frozen_and_counts_are_those_of_the_table(name):
    model = keras_senet.create_model(name, weights=None)
    assert digest(model) == json.loads(FROZEN.read_text())[name]
    counts = table()[name]
    assert dataclasses.asdict(complexity(model)) == counts
    if NETWORKS[name].se:
        # Equation 5 and the biases; C // r is never rounded up.
        blocks = [x for x in model.layers if isinstance(x, SqueezeExcite)]
        biases = weights = 0
        for layer in blocks:
            channels = layer.input.shape[-1]
            hidden = max(1, channels // 16)
            weights += 2 * channels * hidden
            biases += channels + hidden
        plain = table()[plain_twin(NETWORKS[name]).name]
        added = counts["parameters"] - plain["parameters"]
        assert added == counts["se_parameters"] == weights + biases > 0
        assert counts["equation_5"] == weights
    keras.utils.clear_session()


if __name__ == "__main__":
    rows = {}
    for name in keras_senet.list_models():
        rows[name] = digest(keras_senet.create_model(name, weights=None))
        keras.utils.clear_session()
    FROZEN.write_text(json.dumps(rows, indent=1) + "\n")
