"""A name or a saved file -> a trained model that describes itself."""

import zipfile
from pathlib import Path

import keras

from keras_senet.applications import create_model
from keras_senet.architectures.card import Card, DescribedModel
from keras_senet.weights import sources
from keras_senet.weights.load import classes_in


def open_model(
    name: str,
    weights: str | None = None,
    size: tuple[int, int] | None = None,
) -> DescribedModel:
    """Returns a trained model by its name or from a saved file.

    Args:
        name: name in the registry, or the path of a `.keras` file.
        weights: tag or path of weights for a name, or `None` for the default
            ones.
        size: height and width of the images for which a model given by name is
            built, in pixels. Defaults to `None`: that of its card.

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
        if size in (None, model.card.input_size):
            return model
        # It is known now which weights the name means.
        first = model.card.data_format == "channels_first"
        return create_model(
            name,
            weights=model.card.weights,
            classes=model.output_shape[-1],
            input_shape=(3, *size) if first else (*size, 3),
        )
    if weights is not None:
        raise ValueError(
            f"{name} holds its own weights; weights={weights!r} can't be "
            "loaded as well. Leave one of them out."
        )
    model = read_model(name)
    if getattr(model, "card", None) is None:
        raise ValueError(
            f"The model file {str(name)!r} has no card that says how its "
            "images are prepared and what its classes are. Save a model made "
            "by keras_senet's constructors."
        )
    return model


def read_model(path: str | Path) -> keras.Model:
    """Reads a `.keras` file, of this package or not.

    Args:
        path: the file.

    Returns:
        The model, not compiled.

    Raises:
        ValueError: if there is no such file, or it can't be read.
    """
    if not Path(path).is_file():
        raise ValueError(
            f"The model file {str(path)!r} does not exist. Give the path of "
            "what `model.save` wrote."
        )
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"The model file {str(path)!r} can't be loaded: it is damaged, or "
            "no .keras file."
        )
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        raise ValueError(
            f"The model file {str(path)!r} can't be loaded: {error}"
        ) from error


def card_of(model) -> Card:
    """Returns the card of a classifier.

    Args:
        model: a model.

    Returns:
        Its `Card`.

    Raises:
        ValueError: if it has none, or is no classifier.
    """
    card = getattr(model, "card", None)
    if card is None:
        raise ValueError(
            f"The model {getattr(model, 'name', model)!r} has no card that "
            "says how its images are prepared and what its classes are. Give "
            "one made by keras_senet's constructors."
        )
    card.check()
    if len(model.output_shape) != 2 or model.layers[-1].name != "predictions":
        raise ValueError(
            f"{model.name} is no classifier (its output is "
            f"{model.output_shape}). Build it with `include_top=True`."
        )
    return card
