"""`.keras` files: bit-equal, complete, in a process of their own."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from small import KINDS, shallow, size_of, small

import keras_senet
from keras_senet.architectures.build import build

# Imports nothing but the package, as a user's program would.
LOADER = """
import sys
import keras_senet
import numpy as np
from keras.models import load_model

folder = sys.argv[1]
for name in sys.argv[2:]:
    model = load_model(f"{folder}/{name}.keras")
    x = np.load(f"{folder}/{name}_x.npy")
    np.save(f"{folder}/{name}_loaded.npy", model(x, training=False))
    assert model.card.network == name, model.card
"""


def test_loaded_in_another_process_is_bit_equal(tmp_path, rng):
    for name in KINDS:
        network = shallow(small(name))
        size = size_of(network)
        model = build(network, input_shape=(size, size, 3))
        x = rng.uniform(0, 255, (2, size, size, 3)).astype("float32")
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}_x.npy", x)
        # Without compiling, which takes longer.
        np.save(tmp_path / f"{name}_saved.npy", model(x, training=False))
    command = [sys.executable, "-c", LOADER, str(tmp_path), *KINDS]
    subprocess.run(command, check=True)
    for name in KINDS:
        np.testing.assert_array_equal(
            np.load(tmp_path / f"{name}_saved.npy"),
            np.load(tmp_path / f"{name}_loaded.npy"),
        )


def test_the_card_survives(tmp_path):
    model = keras_senet.SEResNet20(
        weights=None, classes=3, input_shape=(40, 48, 3), normalization="mean"
    )
    model.card.class_names = ["a", "b", "c"]
    model.card.measured = {"top1": 0.5}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.card == model.card
    assert loaded.card.input_size == (40, 48)
    assert loaded.card.normalization["mean"] == [123.0, 117.0, 104.0]
    # The record too, as plain data.
    assert json.loads(json.dumps(loaded.card.record))["se"]["reduction"] == 16


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_data_format_survives(tmp_path, data_format, rng):
    model = keras_senet.SEResNet20(
        weights=None, include_top=False, data_format=data_format
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    shape = (3, 32, 32) if data_format == "channels_first" else (32, 32, 3)
    x = rng.uniform(0, 255, (1, *shape)).astype("float32")
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), loaded.predict(x, verbose=0)
    )
    assert loaded.card.data_format == data_format


def test_a_clone_has_the_same_graph():
    model = keras_senet.SEResNet20(weights=None)
    clone = keras.models.clone_model(model)
    assert [x.name for x in clone.layers] == [x.name for x in model.layers]


def test_a_fine_tuned_model_keeps_training(tmp_path, rng):
    model = keras_senet.SEResNet20(weights=None, classes=2)
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    x = rng.uniform(0, 255, (4, 32, 32, 3)).astype("float32")
    y = np.array([0, 1, 0, 1])
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.isfinite(loaded.train_on_batch(x, y))
