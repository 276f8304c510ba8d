"""From pretrained weights to classes of one's own."""

from pathlib import Path

import keras

from keras_senet.applications import find_network
from keras_senet.data.labelled import open_images
from keras_senet.plots import check_matplotlib
from keras_senet.training.config import TrainConfig
from keras_senet.training.loop import open_data, train
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
            3 for the classifier alone, in steps of 32 images, at a rate from
            0.01 to zero by a cosine, at the network's own image size.

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
    config = TrainConfig(
        model=model,
        data=data,
        out=str(out),
        weights=weights,
        **{**_defaults(data, model, fields), **fields},
    )
    history = train(config)
    write_report(history.model, open_data(config)[1], Path(config.out))
    return history


def _defaults(data, model, fields):
    network = find_network(model)
    epochs = fields.get("epochs", 15)
    try:
        open_images(data, "validation")
        held = 0.0
    except ValueError:
        held = 0.2
    return {
        "image_size": network.input_size,
        # Of images as small as CIFAR's a part shows too little.
        "crop": "padded" if network.dataset == "cifar10" else "random_size",
        "validation_crop": network.crop,
        "hold_out": held,
        "batch_size": 32,
        "epochs": epochs,
        "head_epochs": epochs / 5,
        "learning_rate": 0.01,
        "schedule": "cosine",
        "label_smoothing": 0.1,
    }
