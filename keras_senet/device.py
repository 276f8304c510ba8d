"""What Keras runs on."""

import os

import keras


def on_cpu() -> bool:
    """Whether Keras runs on TensorFlow without a GPU or TPU."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    kinds = {device.device_type for device in tf.config.get_visible_devices()}
    return not kinds & {"GPU", "TPU"}


def available_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
