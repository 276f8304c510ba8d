"""The network of a run."""

import keras

from keras_senet import optimizers
from keras_senet.applications import create_model
from keras_senet.architectures.card import DescribedModel
from keras_senet.data.labelled import LabelledImages
from keras_senet.data.readable import spec_of
from keras_senet.training.config import TrainConfig


def build_model(
    config: TrainConfig, images: LabelledImages, strategy
) -> DescribedModel:
    """Builds the network of a config, compiled with its optimizer.

    Args:
        config: the run's config.
        images: the training images.
        strategy: the `tf.distribute.Strategy` in whose scope this is called.

    Returns:
        A `DescribedModel`.
    """
    spec = spec_of(images)
    channels = spec.shape[-1] if spec.dtype == "uint8" else 3
    model = create_model(
        config.model,
        weights=config.weights,
        classes=len(images.class_names),
        input_shape=(config.image_size, config.image_size, channels),
        dtype=config.precision,
        **config.options,
    )
    model.card.class_names = images.class_names
    model.card.crop = config.validation_crop
    model.card.interpolation = "bilinear"
    model.card.published = model.card.measured = None
    several = strategy.num_replicas_in_sync > 1
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = config.synchronized and several
    model.compile(
        optimizers.SGD(
            config.learning_rate,
            momentum=config.momentum,
            nesterov=config.nesterov,
        )
    )
    return model
