"""From image files to named classes, with a model that describes itself."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras
import numpy as np

from keras_senet.applications import create_model
from keras_senet.architectures.card import DescribedModel
from keras_senet.data.images import ImageError, center_crop, read_image
from keras_senet.preprocessing import decode_predictions, preprocess_input
from keras_senet.weights import sources
from keras_senet.weights.load import classes_in


def open_model(name: str, weights: str | None = None) -> DescribedModel:
    """Returns a trained model by its name or from a saved file.

    Args:
        name: name in the registry, or the path of a `.keras` file.
        weights: tag or path of weights for a name, or `None` for the default
            ones.

    Returns:
        A model with a card.

    Raises:
        ValueError: if there are no weights, the file can't be read, or it has
            no card.
    """
    if str(name).endswith(".h5"):
        raise ValueError(
            f"{str(name)!r} holds weights alone. Name the network they are "
            f"for: --model NETWORK --weights {name}."
        )
    if not str(name).endswith(".keras"):
        keywords = {} if weights is None else {"weights": weights}
        if weights is not None and Path(weights).is_file():
            keywords["classes"] = classes_in(weights)
        model = create_model(name, **keywords)
        if model.card.weights is None:
            names = sorted({s.network.name for s in sources.SOURCES})
            raise ValueError(
                f"{name} has no weights at hand, and random ones tell nothing "
                "apart. Give a file of weights (--weights FILE), or a network "
                f"that has some: {', '.join(names)}."
            )
        return model
    if weights is not None:
        raise ValueError(
            f"{name} holds its own weights; weights={weights!r} can't be "
            "loaded as well. Leave one of them out."
        )
    if not Path(name).is_file():
        raise ValueError(
            f"The model file {str(name)!r} does not exist. Give the path of "
            "what `model.save` wrote."
        )
    if not zipfile.is_zipfile(name):
        raise ValueError(
            f"The model file {str(name)!r} can't be loaded: it is damaged, or "
            "no .keras file."
        )
    try:
        model = keras.models.load_model(name, compile=False)
    except Exception as error:
        raise ValueError(
            f"The model file {str(name)!r} can't be loaded: {error}"
        ) from error
    if getattr(model, "card", None) is None:
        raise ValueError(
            f"The model file {str(name)!r} has no card that says how its "
            "images are prepared and what its classes are. Save a model made "
            "by keras_senet's constructors."
        )
    return model


def predict_files(
    model: DescribedModel,
    paths: Iterable[str | Path],
    top: int = 5,
    batch_size: int = 32,
) -> Iterator[tuple[Path, list[tuple[str, str, float]] | ImageError]]:
    """Classifies image files.

    Args:
        model: a classifier with a card.
        paths: image files.
        top: number of classes per image. Defaults to `5`.
        batch_size: images per step. Defaults to `32`.

    Yields:
        Per file its path and the list of (class id, name, score) as
        `decode_predictions` gives it, or the `ImageError` of a file that can't
        be read.

    Raises:
        ValueError: if the model is no classifier.
    """
    card = model.card
    card.check()
    if len(model.output_shape) != 2 or model.layers[-1].name != "predictions":
        raise ValueError(
            f"{model.name} is no classifier (its output is "
            f"{model.output_shape}). Build it with `include_top=True`."
        )
    paths = list(map(Path, paths))
    for start in range(0, len(paths), batch_size):
        batch = paths[start : start + batch_size]
        arrays, errors = {}, {}
        for path in batch:
            try:
                arrays[path] = _prepare(path, card, model.input_shape)
            except ImageError as error:
                errors[path] = error
        decoded = {}
        if arrays:
            scores = _scores(model, np.stack(list(arrays.values())))
            names = card.class_names
            if names is None:
                names = [f"class {k}" for k in range(scores.shape[1])]
            rows = decode_predictions(scores, top, names)
            decoded = dict(zip(arrays, rows, strict=True))
        for path in batch:
            yield path, decoded.get(path) or errors[path]


def _prepare(path, card, input_shape):
    first = card.data_format == "channels_first"
    channels = input_shape[1 if first else -1]
    if channels not in (1, 3):
        raise ValueError(
            f"The model takes images of {channels} channels. Allowed for image "
            "files: 1 (grey) or 3 (RGB)."
        )
    image = read_image(path, mode="L" if channels == 1 else "RGB")
    array = center_crop(image, card.input_size, card.crop, card.interpolation)
    if first:
        array = array.transpose(2, 0, 1)
    if not card.include_preprocessing:
        pair = (card.normalization["mean"], card.normalization["std"])
        array = preprocess_input(
            array, data_format=card.data_format, normalization=pair
        )
    return array


def _scores(model, images):
    outputs = keras.ops.convert_to_numpy(model.predict_on_batch(images))
    if model.layers[-1].activation is keras.activations.linear:
        exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        outputs = exponentials / exponentials.sum(axis=1, keepdims=True)
    return outputs
