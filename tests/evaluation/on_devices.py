"""Evaluates on 1, 2 and 3 logical CPUs, or as a worker; prints JSON.

A process of its own, since devices are named before TensorFlow starts.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import keras_senet
from keras_senet.data.labelled import from_arrays
from keras_senet.evaluation import evaluate
from keras_senet.preprocessing import class_names


def main(path):
    if "cluster" in os.environ["TF_CONFIG"]:
        strategies = [tf.distribute.MultiWorkerMirroredStrategy()]
    else:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 3,
        )
        names = ["CPU:0", "CPU:1", "CPU:2"]
        strategies = [
            tf.distribute.MirroredStrategy(names[:count]) for count in (1, 2, 3)
        ]
    arrays = np.load(path)
    rows = []
    for strategy in strategies:
        with strategy.scope():
            model = keras_senet.SEResNet20(weights="cifar10")
        for count in (23, 7, 1):
            images = from_arrays(
                arrays["pixels"][:count],
                arrays["labels"][:count],
                class_names("cifar10"),
            )
            result = evaluate(model, images, batch_size=4, strategy=strategy)
            rows.append(
                {
                    "devices": strategy.num_replicas_in_sync,
                    "images": result.images,
                    "loss": result.loss,
                    "top1": result.top1,
                    "top5": result.top5,
                    "per_class": result.per_class["images"].tolist(),
                }
            )
    print(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1])
