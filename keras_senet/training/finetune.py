"""From pretrained weights to classes of one's own."""

import dataclasses
import os
from pathlib import Path

import keras

from keras_senet.applications import find_network
from keras_senet.data.labelled import SplitError, open_images
from keras_senet.plots import check_matplotlib
from keras_senet.training.config import TrainConfig
from keras_senet.training.inputs import leave_out_unreadable, open_data
from keras_senet.training.loop import train
from keras_senet.training.report import write_report


def finetune(
    data,
    out: str | Path,
    model: str = "se_resnet50",
    weights: str | None = "imagenet",
    **fields,
) -> keras.callbacks.History:
    """Trains a pretrained network on other classes: its head, then all of it.

    Called again with the same arguments it goes on where it was interrupted.
    The folder `out` then has, beside what `train` writes, `confusion.png`,
    `mistakes.png` (the images whose wrong class the network is surest of) and
    `mistakes.csv`.

    Args:
        data: the photos, as `keras_senet.data.labelled.open_images` takes them,
            such as `"folder:PHOTOS"`. Where they have no split for validation a
            fifth is set aside.
        out: the run's folder.
        model: name in the registry. Defaults to `"se_resnet50"`.
        weights: tag or file to start from, or `None` for random weights.
            Defaults to `"imagenet"`.
        **fields: other fields of `TrainConfig`. By default 15 epochs, the first
            fifth for the classifier alone, in steps of 32 images (or all where
            there are fewer), at a rate from 0.01 to zero by a cosine, at the
            network's own image size.

    Returns:
        Keras' `History`; its `model` describes itself and knows the names of
        the classes.

    Raises:
        ValueError: for an argument that doesn't fit, before anything is
            trained.
        TrainingError: see `train`.

    Example:

    >>> history = finetune(
    ...     "folder:photos", "runs/mine", "se_resnet20", "cifar10", epochs=1
    ... )
    >>> history.model.card.class_names
    ['cat', 'dog']
    """
    check_matplotlib()
    import tensorflow as tf

    if "TF_CONFIG" in os.environ:
        raise ValueError(
            "TF_CONFIG names several workers, and fine-tuning uses one machine "
            "(all of its GPUs). Unset it; or take `keras-senet train` with "
            "--weights, which trains on several."
        )

    config = TrainConfig(
        model=model,
        data=data,
        out=str(out),
        weights=weights,
        **{**_defaults(data, model), **fields},
    )
    count = len(open_data(config)[0])
    shares = {
        "batch_size": min(32, count),
        "head_epochs": config.epochs / 5,
    }
    config = dataclasses.replace(config, **{**shares, **fields})
    history = train(config)
    _, validation = leave_out_unreadable(
        config, tf.distribute.get_strategy(), open_data(config)
    )
    write_report(history.model, validation, Path(config.out))
    return history


def _defaults(data, model):
    network = find_network(model)
    try:
        open_images(data, "validation")
        held = 0.0
    except SplitError:
        held = 0.2
    return {
        "image_size": network.input_size,
        # Of images as small as CIFAR's a part shows too little.
        "crop": "padded" if network.dataset == "cifar10" else "random_size",
        "validation_crop": network.crop,
        "hold_out": held,
        "epochs": 15,
        "learning_rate": 0.01,
        "schedule": "cosine",
        "label_smoothing": 0.1,
    }
