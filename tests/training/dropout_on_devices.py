"""Trains a step of dropout on one or two logical CPUs; prints what is left.

A process of its own, since devices are set before TensorFlow's first work.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

import keras
import numpy as np

from keras_senet.data.labelled import open_images
from keras_senet.distribution import make_strategy
from keras_senet.training import TrainConfig
from keras_senet.training.network import build_model
from keras_senet.training.step import Steps

sys.path.insert(0, str(Path(__file__).parents[1]))
from small import made_shallow


def train(strategy, pixels, dropout):
    """The losses of two steps, and the seeds that every device has then."""
    keras.utils.set_random_seed(0)
    labels = np.arange(len(pixels)) % 2
    settings = TrainConfig(
        "se_resnet20",
        {"train": (pixels, labels), "test": (pixels, labels)},
        "unused",
        image_size=32,
        batch_size=len(pixels),
        options={"dropout": dropout},
    )
    strategy = make_strategy(strategy)
    with strategy.scope():
        model = build_model(settings, open_images(settings.data), strategy)
    steps = Steps(settings, model, strategy)
    data = tf.data.Dataset.from_tensors((pixels, labels)).repeat(2)
    batches = iter(data)
    if strategy.num_replicas_in_sync > 1:
        half = len(pixels) // 2
        data = data.unbatch().batch(half)
        batches = iter(
            strategy.distribute_datasets_from_function(lambda _: data)
        )
    rows, _ = steps.run(batches, range(2), "all", np.zeros(2), False)
    states = [
        value.numpy().tolist()
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout) and layer.rate
        for value in strategy.experimental_local_results(
            layer.seed_generator.state.value
        )
    ]
    return {"losses": rows[:, 0].tolist(), "seeds": states}


half = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3))
half = half.astype("uint8")
both = np.concatenate([half, half])
with made_shallow("se_resnet20"):
    found = {
        f"{name} {dropout}": train(strategy, pixels, dropout)
        for dropout in (0.0, 0.5)
        for name, strategy, pixels in (
            ("one", "one", half),
            ("two", "mirrored", both),
            ("again", "mirrored", both),
        )
    }
print(json.dumps(found))
