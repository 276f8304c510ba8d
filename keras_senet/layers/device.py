"""What the layers run on."""

import keras


def on_cpu() -> bool:
    """Whether Keras runs on TensorFlow without a GPU or TPU."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    kinds = {device.device_type for device in tf.config.list_physical_devices()}
    return not kinds & {"GPU", "TPU"}
