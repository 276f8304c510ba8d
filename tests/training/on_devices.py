"""Trains on two logical CPUs, whose statistics are their own; prints them.

A process of its own, since devices are set before TensorFlow's first work.
"""

import sys
from pathlib import Path

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)

import keras
import numpy as np

from keras_senet.distribution import make_strategy
from keras_senet.training import TrainConfig, train

sys.path.insert(0, str(Path(__file__).parents[1]))
from small import made_shallow

random = np.random.default_rng(0)
pixels = random.integers(0, 255, (16, 32, 32, 3)).astype("uint8")
arrays = (pixels, np.arange(16) % 2)
synchronized = sys.argv[2] == "synchronized"
strategy = make_strategy("mirrored")
config = TrainConfig(
    "se_resnet20",
    {"train": arrays, "test": arrays},
    sys.argv[1],
    image_size=32,
    batch_size=8,
    epochs=2,
    learning_rate=0.01,
    strategy="mirrored" if sys.argv[3] == "2" else "one",
    synchronized=synchronized,
    # Else rounding grows with every step.
    precision="float64",
)
with made_shallow("se_resnet20"):
    history = train(config)
model = history.model
moving = model.get_layer("conv1_bn").moving_mean.value
values = getattr(moving, "values", [moving])
assert len(values) == int(sys.argv[3])
for value in values[1:]:
    np.testing.assert_array_equal(value.numpy(), values[0].numpy())
# What several devices need no other backend can load.
kept = keras.models.load_model(f"{sys.argv[1]}/model.keras")
assert not any(getattr(layer, "synchronized", 0) for layer in kept.layers)
print("losses", *history.history["loss"], *history.history["val_loss"])
