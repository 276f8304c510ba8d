"""From a record to a model."""

import dataclasses
import json

import keras
import numpy as np
from keras import layers

from keras_senet import preprocessing
from keras_senet.architectures.alexnet import alexnet
from keras_senet.architectures.blocks import Blocks
from keras_senet.architectures.card import Card, DescribedModel
from keras_senet.architectures.inception import inception
from keras_senet.architectures.inception_resnet import inception_resnet
from keras_senet.architectures.mobilenet import mobilenet
from keras_senet.architectures.resnet import resnet
from keras_senet.architectures.shufflenet import shufflenet
from keras_senet.architectures.table import Network
from keras_senet.architectures.vgg import vgg
from keras_senet.checks import integer, is_integer

FAMILIES = {
    "alexnet": alexnet,
    "inception": inception,
    "inception_resnet": inception_resnet,
    "mobilenet": mobilenet,
    "resnet": resnet,
    "shufflenet": shufflenet,
    "vgg": vgg,
}


def build(
    network: Network,
    include_top: bool = True,
    input_tensor=None,
    input_shape: tuple | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation="softmax",
    name: str | None = None,
    include_preprocessing: bool = True,
    normalization=None,
    data_format: str | None = None,
    dtype=None,
    features_only: bool = False,
) -> DescribedModel:
    """Builds the model of a record, with random weights.

    Args:
        network: the record.
        include_top: whether the model ends in its classifier.
        input_tensor: Keras tensor to use as the images, or `None`.
        input_shape: shape of an image, without the batch.
        pooling: `None`, `"avg"` or `"max"`, the end of a model without top.
        classes: number of classes, or `None` for the record's.
        classifier_activation: activation of the classifier; `None` gives
            logits.
        name: name of the model, or `None` for the record's.
        include_preprocessing: whether the model normalises inside.
        normalization: a key of `preprocessing.NORMALIZATIONS`, a pair (mean,
            std) or `None`.
        data_format: `"channels_last"`, `"channels_first"` or `None` for the
            one in the Keras configuration.
        dtype: dtype policy, or `None` for the global one.
        features_only: whether the output is the dictionary of feature maps.

    Returns:
        A `DescribedModel`.

    Raises:
        ValueError: for an argument that doesn't fit.
    """
    data_format = data_format or keras.config.image_data_format()
    _check_choice(
        "data_format", data_format, ("channels_last", "channels_first")
    )
    _check_choice("pooling", pooling, (None, "avg", "max"))
    if classes is None:
        classes = network.classes
    classes = integer("classes", classes)
    if features_only and pooling is not None:
        raise ValueError(
            f"`pooling` is {pooling!r} with `features_only=True`, whose "
            "outputs are not pooled. Leave one of them out."
        )
    include_top = include_top and not features_only
    image = _input(network, include_top, input_tensor, input_shape, data_format)
    channels, size = image.shape[-1], image.shape[1:3]
    if data_format == "channels_first":
        channels, size = image.shape[1], image.shape[2:4]
    mean, std = preprocessing.resolve_normalization(normalization, channels)

    # Half precision is for the body: pixels up to 255 and logits keep 32 bits.
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    wide = policy
    if policy.compute_dtype in ("float16", "bfloat16"):
        wide = keras.dtype_policies.get("float32")

    blocks = Blocks(network, data_format, policy)
    x = image
    if include_preprocessing:
        x = normalization_layer(mean, std, data_format, wide)(x)
    x = FAMILIES[network.family](blocks, x)
    if features_only:
        x = {
            key: value
            for key, value in blocks.features.items()
            # The strides 4 to 32, and those of the networks for small images.
            if network.input_size < 64 or key >= "C2"
        }
    elif include_top:
        x = HEADS[network.head](blocks, x)
        x = layers.Dense(
            classes,
            activation=classifier_activation,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            dtype=wide,
            name="predictions",
        )(x)
    elif pooling:
        x = _global_pool(blocks, x, pooling)

    if input_tensor is not None:
        sources = keras.utils.get_source_inputs(input_tensor)
        image = sources[0] if len(sources) == 1 else sources
    model = DescribedModel(image, x, name=name or network.name)
    # What a user gives the model, which may resize it for the network.
    given = model.inputs[0].shape
    if len(given) == 4:
        size = given[1:3] if data_format == "channels_last" else given[2:4]
    model.card = Card(
        network=network.name,
        title=network.title,
        # As JSON has it, so that it is the same before and after saving.
        record=json.loads(json.dumps(dataclasses.asdict(network))),
        input_size=tuple(side or network.input_size for side in size),
        crop=network.crop,
        normalization={"mean": list(mean), "std": list(std)},
        data_format=data_format,
        include_preprocessing=include_preprocessing,
        class_names=(
            preprocessing.class_names(network.dataset)
            if include_top and classes == network.classes
            else None
        ),
    )
    return model


def normalization_layer(mean, std, data_format: str, dtype):
    """Returns the layer that makes (x - mean) / std.

    Args:
        mean: number or sequence of numbers, one per channel.
        std: as `mean`.
        data_format: `"channels_last"` or `"channels_first"`.
        dtype: dtype policy.

    Returns:
        A `keras.layers.Rescaling`.
    """
    # Of rank 3, since Rescaling reads a vector in the global data format.
    mean, std = np.broadcast_arrays(mean, std)
    shape = (-1, 1, 1) if data_format == "channels_first" else (1, 1, -1)
    return layers.Rescaling(
        (1.0 / std).reshape(shape).tolist(),
        (-mean / std).reshape(shape).tolist(),
        dtype=dtype,
        name="normalization",
    )


def _pooled_head(blocks, x):
    x = _global_pool(blocks, x, "avg")
    if blocks.network.dropout:
        x = layers.Dropout(
            blocks.network.dropout, dtype=blocks.dtype, name="dropout"
        )(x)
    return x


def _fully_connected_head(blocks, x):
    """Two layers of 4096, as in VGG and AlexNet."""
    axis = 1 if blocks.data_format == "channels_last" else 2
    if None in x.shape[axis : axis + 2]:
        raise ValueError(
            f"{blocks.network.title} with its top needs a fixed image size, "
            "since its classifier is fully connected. Give `input_shape`, or "
            "`include_top=False`."
        )
    x = layers.Flatten(
        data_format=blocks.data_format, dtype=blocks.dtype, name="flatten"
    )(x)
    for number in (1, 2):
        x = layers.Dense(
            4096,
            activation="relu",
            dtype=blocks.dtype,
            name=f"fc{number}",
        )(x)
        if blocks.network.dropout:
            x = layers.Dropout(
                blocks.network.dropout,
                dtype=blocks.dtype,
                name=f"dropout{number}",
            )(x)
    return x


HEADS = {"pooled": _pooled_head, "fully_connected": _fully_connected_head}


def _global_pool(blocks, x, kind):
    layer = {
        "avg": layers.GlobalAveragePooling2D,
        "max": layers.GlobalMaxPooling2D,
    }
    return layer[kind](
        data_format=blocks.data_format, dtype=blocks.dtype, name=f"{kind}_pool"
    )(x)


def _input(network, include_top, input_tensor, input_shape, data_format):
    """The tensor of images, checked before any layer is made."""
    if input_tensor is not None and not keras.backend.is_keras_tensor(
        input_tensor
    ):
        raise ValueError(
            f"`input_tensor` is a {type(input_tensor).__name__}. Allowed: a "
            "Keras tensor, the output of `keras.Input(...)` or of a layer."
        )
    if input_tensor is not None:
        tensor_shape = tuple(input_tensor.shape[1:])
        if input_shape is not None and tuple(input_shape) != tensor_shape:
            raise ValueError(
                f"`input_shape` is {input_shape!r}, and `input_tensor` has "
                f"{tensor_shape}. Leave `input_shape` out."
            )
        input_shape = tensor_shape
    if input_shape is None:
        size = network.input_size if include_top else None
        input_shape = (size, size, 3)
        if data_format == "channels_first":
            input_shape = (3, size, size)
    if (
        not isinstance(input_shape, (tuple, list))
        or len(input_shape) != 3
        or not all(
            side is None or (is_integer(side) and side > 0)
            for side in input_shape
        )
    ):
        raise ValueError(
            f"`input_shape` is {input_shape!r}. Allowed: three dimensions "
            "without the batch, each an integer of at least 1 (height and "
            "width may be None), such as (224, 224, 3)."
        )
    input_shape = tuple(input_shape)
    if data_format == "channels_last":
        *size, channels = input_shape
    else:
        channels, *size = input_shape
    if channels is None:
        raise ValueError(
            f"`input_shape` is {input_shape!r}, whose channel count is "
            f"unknown ({data_format}). Give a number, such as 3."
        )
    if any(side is not None and side < network.min_size for side in size):
        raise ValueError(
            f"`input_shape` is {input_shape!r} ({data_format}), too small for "
            f"{network.title}. Allowed: height and width of at least "
            f"{network.min_size} pixels."
        )
    if input_tensor is None:
        return keras.Input(input_shape, name="image")
    return input_tensor


def _check_choice(argument, value, allowed):
    if value not in allowed:
        raise ValueError(
            f"`{argument}` is {value!r}. Allowed: "
            f"{', '.join(map(repr, allowed))}."
        )
