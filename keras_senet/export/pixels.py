"""Models that take pixels, as phones and other programs give them."""

import copy

import keras

from keras_senet.architectures.build import normalization_layer
from keras_senet.architectures.card import DescribedModel
from keras_senet.cloning import clone, copy_layer, copy_state, functional
from keras_senet.data.pipeline import check_size

# The layer that ends a classifier (architectures/build.py).
PREDICTIONS = "predictions"


def taking_pixels(
    model: DescribedModel, image_size: int | tuple[int, int] | None = None
) -> DescribedModel:
    """Returns a network that takes images of a fixed size in [0, 255].

    Args:
        model: a model with a card.
        image_size: height and width in pixels, one number for both. Defaults
            to `None`: that of the model, or of its card.

    Returns:
        A model of the same layers in float32, with normalisation inside, and a
        softmax (of one class a sigmoid) where a classifier gives logits.

    Raises:
        ValueError: for a model that can't be made so.
    """
    card = getattr(model, "card", None)
    if card is None:
        raise ValueError(
            f"The model {getattr(model, 'name', model)!r} has no card that "
            "says how its images are prepared. Give one made by keras_senet's "
            "constructors."
        )
    card.check()
    if card.data_format == "channels_first":
        raise ValueError(
            f"{model.name} has data_format='channels_first', and phones give "
            "images with the channels last. Build it with data_format="
            "'channels_last', and give it the weights: "
            "made.set_weights(model.get_weights())."
        )
    if len(model.inputs) != 1 or not keras.backend.is_keras_tensor(
        model.output
    ):
        raise ValueError(
            f"{model.name} has {len(model.inputs)} inputs and the outputs "
            f"{model.output_shape}. Allowed: one of each; build it without "
            "`features_only`."
        )
    size = _size(model, image_size)
    if any(layer.compute_dtype != "float32" for layer in model.layers):
        model = _in_float32(model)
    channels = model.input_shape[-1]
    last = getattr(model.layers[-1], "activation", None)
    gives_logits = is_classifier(model) and last is keras.activations.linear
    if (
        model.input_shape[1:3] == size
        and card.include_preprocessing
        and not gives_logits
    ):
        return model
    image = keras.Input((*size, channels), name="image")
    x = image
    if not card.include_preprocessing:
        pair = (card.normalization["mean"], card.normalization["std"])
        x = normalization_layer(*pair, "channels_last", "float32")(x)
    x = functional(model)(x)
    if gives_logits:
        # Of one class alone a softmax would always be one.
        kind = "softmax" if model.output_shape[-1] > 1 else "sigmoid"
        x = keras.layers.Activation(kind, name=f"{PREDICTIONS}_{kind}")(x)
    made = DescribedModel(image, x, name=model.name)
    made.card = copy.deepcopy(card)
    made.card.include_preprocessing = True
    if made.card.input_size != size:
        # Accuracy was measured at another size.
        made.card.input_size, made.card.measured = size, None
        made.card.published = None
    return made


def check_channels(model: keras.Model) -> None:
    """Raises an error if a model takes no images of a phone.

    Args:
        model: the model.

    Raises:
        ValueError: if it takes neither RGB nor grey ones.
    """
    channels = model.input_shape[-1]
    if channels not in (1, 3):
        raise ValueError(
            f"{model.name} takes images of {channels} channels. Allowed in a "
            "LiteRT file: 1 (grey) or 3 (RGB). Build the network for these, or "
            "take another format, such as 'onnx'."
        )


def is_classifier(model: keras.Model) -> bool:
    """Returns whether a model's outputs are scores of classes.

    Args:
        model: a model of this package's constructors, or what `taking_pixels`
            made of it.

    Returns:
        A boolean.
    """
    last = model.layers[-1]
    while isinstance(last, keras.Model):
        last = last.layers[-1]
    return len(model.output_shape) == 2 and last.name.startswith(PREDICTIONS)


def _size(model, image_size):
    """The size of images, once it is sure that the model can take it."""
    given = model.input_shape[1:3]
    if image_size is None:
        pairs = zip(given, model.card.input_size, strict=True)
        return tuple(side or own for side, own in pairs)
    size = check_size(image_size)
    least = model.card.record.get("min_size", 1)
    if min(size) < least:
        raise ValueError(
            f"`image_size` is {image_size!r}, too small for {model.name}. "
            f"Allowed: height and width of at least {least} pixels."
        )
    if any(
        side not in (None, own) for side, own in zip(given, size, strict=True)
    ):
        raise ValueError(
            f"`image_size` is {image_size!r}, and {model.name} takes images "
            f"of {given[0]} x {given[1]} pixels. Build it for yours: "
            f"input_shape={(*size, model.input_shape[-1])}, or for any: "
            "input_shape=(None, None, 3)."
        )
    return size


def _in_float32(model):
    """A copy that computes in float32, of a model trained in less."""

    def copied(layer):
        made = copy_layer(layer, copied)
        if isinstance(layer, keras.layers.Layer):
            made.dtype_policy = "float32"
        return made

    graph = functional(model)
    made = clone(graph, copied)
    pairs = zip(graph.layers, made.layers, strict=True)
    for old, new in pairs:
        if isinstance(old, keras.layers.Layer):
            copy_state(old, new)
    return made
