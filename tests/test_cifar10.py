"""Real images: the accuracy of trained networks on CIFAR-10's test split."""

import numpy as np
import pytest

import keras_senet
from keras_senet.evaluation import evaluate
from keras_senet.weights.dialects import torch
from keras_senet.weights.load import assign

pytestmark = pytest.mark.data


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"), [("resnet20", 0.9173), ("resnet56", 0.9339)]
)
def test_trained_plain_networks(data_dir, refs, name, expected):
    path = refs / f"cifar_{name}.npz"
    model = keras_senet.create_model(name, weights=None)
    network = keras_senet.find_network(name)
    assign(model, torch(dict(np.load(path)), network), str(path))
    result = evaluate(model, "tfds:cifar10", "test", crop=1.0, batch_size=500)
    assert result.images == 10_000
    assert result.top1 == pytest.approx(expected, abs=1e-9)


def test_the_weights_that_ship(data_dir):
    """At least the accuracy that was asked for, and that which is claimed."""
    result = evaluate("se_resnet20", "tfds:cifar10", "test", batch_size=500)
    model = keras_senet.SEResNet20(weights="cifar10")
    claimed = model.card.measured["top1"]
    assert claimed >= 0.91
    assert result.images == 10_000
    # Another machine rounds otherwise; that may turn a few images.
    assert result.top1 == pytest.approx(claimed, abs=5e-4)
