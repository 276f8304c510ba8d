"""From a record and the weights asked for to a model that holds them."""

import dataclasses
import logging
import os
from pathlib import Path

import keras

from keras_senet.architectures.build import build
from keras_senet.architectures.card import DescribedModel
from keras_senet.architectures.table import Network
from keras_senet.architectures.variants import from_record
from keras_senet.layers import SqueezeExcite
from keras_senet.weights import sources
from keras_senet.weights.convert import translate
from keras_senet.weights.load import assign, card_in, classes_in, load_weights
from keras_senet.weights.sources import Source

logger = logging.getLogger("keras_senet")


def create(
    network: Network,
    weights,
    given: tuple[str, ...] = (),
    *,
    include_top: bool,
    classes: int | None,
    name: str | None,
    normalization,
    features_only: bool,
    input_tensor,
    input_shape,
    **options,
) -> DescribedModel:
    """Builds a network, fetches the weights and loads them.

    Args:
        network: the record as the user wants it.
        weights: `None`, a tag, the path of a `.weights.h5` or `.keras` file,
            or a `Source`.
        given: names of the fields that the user has set himself.
        include_top: whether the model ends in its classifier.
        classes: number of classes, or `None` for those of the weights.
        name: name of the model, or `None` for the record's.
        normalization: as the constructors take it; `None` for that of the
            weights.
        features_only: whether the output is the dictionary of feature maps.
        input_tensor: Keras tensor to use as the images, or `None`.
        input_shape: shape of an image, or `None`.
        **options: other arguments of `build`.

    Returns:
        A `DescribedModel`.

    Raises:
        ValueError: for an argument that doesn't fit, or a file that can't be
            had or is damaged.
    """
    source = _settle(network, weights, given)
    own_normalization = normalization is None
    if source:
        if isinstance(weights, str) and source.tag == weights:
            _check_channels(source, input_tensor, input_shape, options)
        network = dataclasses.replace(
            source.network,
            name=network.name,
            title=network.title,
            dropout=network.dropout,
        )
        if own_normalization:
            normalization = source.normalization
    with_classifier = include_top and not features_only
    saved = arrays = None
    if source and isinstance(source.file, Path):
        # At hand, so that it is read before anything is built.
        arrays = _read(source, source.file, network)
        if with_classifier:
            saved = _classes(source, arrays)
    elif source and with_classifier:
        saved = source.network.classes
    if classes is None:
        classes = saved or network.classes
    keep = []
    if saved not in (None, classes):
        if source.dialect == "keras" and not source.shipped:
            raise ValueError(
                f"The weights file {source.tag!r} holds {saved} classes, and "
                f"`classes` is {classes}. Give `classes={saved}`, or "
                "`include_top=False` to load the body alone."
            )
        keep.append("predictions")
    model = build(
        network,
        include_top=include_top,
        classes=classes,
        name=name or network.name,
        normalization=normalization,
        features_only=features_only,
        input_tensor=input_tensor,
        input_shape=input_shape,
        **options,
    )
    if source:
        core = model
        if input_tensor is not None:
            # Without the layers that the user has put before the network.
            core = keras.Model(input_tensor, model.output)
        if arrays is None:
            # Without its classifier the smaller file will do.
            whole = with_classifier and not keep
            path = source.fetch(whole)
            try:
                arrays = _read(source, path, network)
            except ValueError:
                # Nobody has said what its bytes should be: the next try
                # downloads it anew.
                source.forget(whole)
                raise
        _assign(core, source, arrays, keep)
        _describe(model.card, source, with_classifier and not keep)
        # The accuracy is that of the whole classifier on images prepared so.
        if with_classifier and not keep and own_normalization:
            model.card.published = source.published
            model.card.measured = source.measured
    if keep:
        logger.warning(
            "%s: loaded the body of weights=%r; its classifier has %d classes, "
            "so that of the %d here starts from random weights.",
            model.name,
            source.tag,
            saved,
            classes,
        )
    return model


def _settle(network, weights, given):
    """The source that `weights` means, or None."""
    if weights is None:
        return None
    if isinstance(weights, Source):
        if isinstance(weights.file, Path):
            return dataclasses.replace(weights, network=network)
        sources.check(weights, network, given)
        return weights
    # A string is a tag unless it looks like a file.
    text = os.fspath(weights) if isinstance(weights, os.PathLike) else weights
    if not isinstance(text, str) or not text:
        raise ValueError(
            f"`weights` is {weights!r}. Allowed: None, a tag, or the path of a "
            ".weights.h5 or .keras file."
        )
    suffixes = (".h5", ".keras", ".safetensors", ".caffemodel", ".pth")
    looks_like_file = text.endswith(suffixes) or os.sep in text
    if not looks_like_file and not isinstance(weights, os.PathLike):
        return sources.find(network, text, given)
    if text.endswith((".safetensors", ".caffemodel", ".pth", ".pt", ".bin")):
        raise ValueError(
            f"`weights` is {text!r}, a file of another project. Read it with "
            "`keras_senet.from_timm` or `keras_senet.convert_weights`, or "
            "convert it first: keras-senet convert FILE --model NAME --out "
            "NAME.weights.h5 (pickles are never opened)."
        )
    card = card_in(text) or {}
    if card.get("record"):
        network = _saved_network(network, card["record"], given, text)
    pair = card.get("normalization")
    return Source(
        network=network,
        tag=text,
        dialect="keras",
        file=Path(text),
        normalization=(pair["mean"], pair["std"]) if pair else None,
    )


def _saved_network(network, record, given, path):
    """The record of a file, if it is the network asked for.

    Like a tag, a file brings the geometry that the user has not set.
    """
    try:
        saved = from_record(record)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"The weights file {path!r} is damaged: it does not say which "
            "network it is of."
        ) from error
    free = [key for key in sources.GEOMETRY if key not in given]
    wanted = dataclasses.replace(
        network,
        dropout=saved.dropout,
        **{key: getattr(saved, key) for key in free},
    )
    if network.se and saved.se and "output_scale" not in given:
        scale = saved.se.output_scale
        se = dataclasses.replace(network.se, output_scale=scale)
        wanted = dataclasses.replace(wanted, se=se)
    if wanted != saved:
        words = sources.differences(saved, wanted, (*given, *sources.GEOMETRY))
        raise ValueError(
            f"The weights file {path!r} belongs to another network than "
            f"{network.title} as it is here"
            f"{f' ({words})' if words else f', to {saved.title}'}. Build it "
            "as it was, or give another file. Nothing was loaded."
        )
    return wanted


def _read(source, path, network):
    """The arrays of a file; one of Keras is read when it is loaded."""
    if source.dialect == "keras":
        return path
    return translate(path, network, source.dialect)[0]


def _classes(source, arrays):
    """The number of classes of a local file, or None without classifier."""
    if source.dialect == "keras":
        return classes_in(source.file)
    head = arrays.get("predictions/kernel")
    return None if head is None else head.shape[-1]


def _check_channels(source, input_tensor, input_shape, options):
    """Published weights are for RGB; said before anything is built."""
    shape = input_shape
    if shape is None and keras.backend.is_keras_tensor(input_tensor):
        shape = tuple(input_tensor.shape[1:])
    data_format = options["data_format"] or keras.config.image_data_format()
    first = data_format == "channels_first"
    if isinstance(shape, (tuple, list)) and len(shape) == 3:
        channels = shape[0 if first else -1]
        if channels != 3:
            raise ValueError(
                f"weights={source.tag!r} of {source.network.title} are for "
                "images of 3 channels, and `input_shape` is "
                f"{tuple(shape)!r}. Give 3 channels, or `weights=None`."
            )


def _assign(model, source, arrays, keep):
    if source.tag == sources.BACKBONE:
        keep = [
            *keep,
            *(y.name for y in model.layers if isinstance(y, SqueezeExcite)),
        ]
    if source.dialect == "keras":
        load_weights(model, arrays, keep)
    else:
        assign(model, arrays, f"The file of weights={source.tag!r}", keep)


def _describe(card, source, whole):
    card.weights = source.tag
    card.licence = source.licence
    card.origin = source.origin
    if source.origin:
        card.crop = source.crop
        card.interpolation = source.interpolation
    elif whole:
        # What a saved model says of itself.
        saved = card_in(source.file) or {}
        for key in ("class_names", "crop", "interpolation", "licence"):
            if key in saved:
                setattr(card, key, saved[key])
