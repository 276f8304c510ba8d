"""The public constructors, one line each, and the registry behind them."""

import difflib
import fnmatch
import inspect
import logging
import os
import textwrap
from collections.abc import Callable

import keras

from keras_senet.architectures.build import build
from keras_senet.architectures.card import DescribedModel
from keras_senet.architectures.table import (
    NETWORKS,
    Network,
    keywords,
    plain_twin,
    variant,
)
from keras_senet.weights import sources
from keras_senet.weights.load import card_in, classes_in, load_weights

# Filled below, by `_constructor`.
CONSTRUCTORS: dict[str, Callable[..., DescribedModel]] = {}

logger = logging.getLogger("keras_senet")

_DOC = """Builds {title}.

{twin}

Args:
    include_top: boolean, whether the model ends in its classifier. Defaults to
        `True`.
    weights: {tags}the path of a `.weights.h5` or `.keras` file, or `None`
        for random weights. Defaults to `{weights}`.
    input_tensor: Keras tensor to use as the images, or `None`. Defaults to
        `None`.
    input_shape: shape of an image without the batch, at least {min_size}
        pixels high and wide. Defaults to `None`: `({size}, {size}, 3)`, and
        any size without top.
    pooling: what ends a model without top: `None` (the feature map), `"avg"`
        or `"max"` (a global pool). Defaults to `None`.
    classes: number of classes. With other classes than those of a tag's
        weights the body is loaded and the classifier is random; a file must
        have as many. Defaults to `{classes}`.
    classifier_activation: activation of the classifier; `None` gives logits.
        Defaults to `"softmax"`.
    name: name of the model. Defaults to `"{name}"`.
    include_preprocessing: boolean, whether the model normalises inside.
        Defaults to `True`.
    normalization: `"imagenet"` (mean and standard deviation), `"mean"` (mean
        alone, as the paper trains), `"signed"` (to [-1, 1]), a pair (mean,
        std) for pixels in [0, 255], or `None` for that of the weights;
        without weights `"imagenet"`, or `"signed"` for other than three
        channels. Defaults to `None`.
    data_format: `"channels_last"`, `"channels_first"` or `None` for the one in
        the Keras configuration. Defaults to `None`.
    dtype: dtype policy of the layers, such as `"mixed_bfloat16"`, or `None`
        for the global one. Defaults to `None`.
    features_only: boolean, whether the output is a dictionary of the last
        activations at strides {strides}. Defaults to `False`.
{keywords}

Input shape:
    `(batch, height, width, channels)`, or `(batch, channels, height, width)`
    with `data_format="channels_first"`.

Output shape:
    `(batch, classes)`; without top the feature map, or `(batch, channels)`
    with `pooling`; with `features_only` a dictionary of feature maps.

Returns:
    A `keras.Model` with a `card` that says what it is.

Raises:
    ValueError: for an argument that doesn't fit, or a damaged file.
    TypeError: for an argument that this network does not have.

Example:

>>> model = keras_senet.{function}(weights=None)
>>> image = np.zeros((1, {size}, {size}, 3))
>>> model.predict(image, verbose=0).shape
(1, {classes})

Reference:
{reference}
"""

_KEYWORD_DOCS = {
    "reduction": """number, or one per stage: the ratio r by which the SE
        block's bottleneck is narrower than the map (Table 10).""",
    "placement": """where in a residual unit SE stands (Fig. 5, Tables 14 and
        15): `"standard"` on the branch before the sum, `"pre"` before the
        branch, `"post"` after the sum and its ReLU, `"identity"` on the
        shortcut, `"3x3"` after the branch's 3x3 convolution.""",
    "squeeze": """`"avg"` or `"max"` global pool (Table 11), or `"none"`: a gate
        per position (Table 16).""",
    "excitation": """`"sigmoid"`, `"relu"`, `"tanh"` (Table 12) or
        `"hard_sigmoid"`.""",
    "se_stages": """numbers of the stages with SE (Table 13), of {stages},
        or `None` for all.""",
    "se_bias": """boolean, whether the SE convolutions have biases. The
        released networks have, the paper's ablations have not.""",
    "cardinality": """integer, the groups of the 3x3 convolutions.""",
    "base_width": """integer, the channels of a group at 64 channels.""",
    "stride_on": """`"1x1"` or `"3x3"`, the convolution that strides.""",
    "pool": """`"ceil"` (as Caffe) or `"padded"` (as timm and torchvision),
        the border of the stem's max pool.""",
    "alpha": """number greater than 0, the multiplier of the widths.""",
    "dropout": """rate before the classifier.""",
}

_PAPERS = {
    "alexnet": "One weird trick (https://arxiv.org/abs/1404.5997)",
    "inception": "Batch Normalization (https://arxiv.org/abs/1502.03167)",
    "inception_resnet": "Inception-v4 (https://arxiv.org/abs/1602.07261)",
    "mobilenet": "MobileNets (https://arxiv.org/abs/1704.04861)",
    "resnet": "Deep Residual Learning (https://arxiv.org/abs/1512.03385)",
    "shufflenet": "ShuffleNet (https://arxiv.org/abs/1707.01083)",
    "vgg": "Very Deep Networks (https://arxiv.org/abs/1409.1556)",
}
_SENET = "Squeeze-and-Excitation Networks (https://arxiv.org/abs/1709.01507)"


def _create(
    network,
    include_top,
    weights,
    classes,
    name,
    normalization,
    features_only,
    input_tensor,
    input_shape,
    **options,
):
    """Settles the weights, builds the model and loads them."""
    name = name or network.name
    source, path = None, None
    if weights is not None:
        # A string is a tag unless it looks like a file.
        text = str(weights)
        if (
            isinstance(weights, os.PathLike)
            or text.endswith((".h5", ".keras"))
            or os.sep in text
        ):
            path = weights
        else:
            source = sources.find(network, text)
            path = source.path
            _check_channels(network, text, input_tensor, input_shape, options)
    model_classes = network.classes if classes is None else classes
    saved_card = card_in(path) if path is not None else None
    own_normalization = normalization is None
    if saved_card and own_normalization:
        pair = saved_card["normalization"]
        normalization = (pair["mean"], pair["std"])
    fresh_head = False
    if path is not None and include_top and not features_only:
        saved = classes_in(path)
        if saved not in (None, model_classes):
            if source is None:
                raise ValueError(
                    f"The weights file {str(path)!r} holds {saved} classes, "
                    f"and `classes` is {model_classes}. Give "
                    f"`classes={saved}`, or `include_top=False` to load the "
                    "body alone."
                )
            fresh_head = True
    model = build(
        network,
        include_top=include_top,
        classes=model_classes,
        name=name,
        normalization=normalization,
        features_only=features_only,
        input_tensor=input_tensor,
        input_shape=input_shape,
        **options,
    )
    if path is not None:
        load_weights(model, path, skip_head=fresh_head)
        model.card.weights = str(weights)
    if saved_card and model.card.class_names:
        model.card.class_names = saved_card["class_names"]
    if source is not None:
        model.card.licence = source.licence
        model.card.origin = source.origin
        # The accuracy is that of the whole classifier on images prepared so.
        whole = include_top and not features_only and not fresh_head
        if whole and own_normalization:
            model.card.measured = source.measured
    if fresh_head:
        logger.warning(
            "%s: loaded the body of weights=%r; its classifier has %d classes, "
            "so that of the %d here starts from random weights.",
            name,
            weights,
            saved,
            model_classes,
        )
    return model


def _check_channels(network, tag, input_tensor, input_shape, options):
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
                f"weights={tag!r} of {network.title} are for images of 3 "
                f"channels, and `input_shape` is {tuple(shape)!r}. Give 3 "
                "channels, or `weights=None`."
            )


def _constructor(function: str, name: str) -> Callable[..., DescribedModel]:
    """Makes the public constructor of a row of the table."""
    row = NETWORKS[name]
    default_weights = next(iter(sources.tags(row)), None)
    default_name = name
    changeable = keywords(row)
    defaults = {
        key: getattr(row.se if hasattr(row.se, key) else row, key)
        for key in changeable
    }

    def constructor(
        include_top: bool = True,
        weights: str | None = default_weights,
        input_tensor=None,
        input_shape: tuple | None = None,
        pooling: str | None = None,
        classes: int = row.classes,
        classifier_activation="softmax",
        name: str = default_name,
        *,
        include_preprocessing: bool = True,
        normalization=None,
        data_format: str | None = None,
        dtype=None,
        features_only: bool = False,
        **changes,
    ) -> DescribedModel:
        unknown = [key for key in changes if key not in changeable]
        if unknown:
            raise TypeError(
                f"{function} has no argument {unknown[0]!r}."
                f"{_nearest(unknown[0], signature.parameters)} It takes: "
                f"{', '.join(signature.parameters)}."
            )
        return _create(
            variant(row, **changes),
            include_top=include_top,
            weights=weights,
            input_tensor=input_tensor,
            input_shape=input_shape,
            pooling=pooling,
            classes=classes,
            classifier_activation=classifier_activation,
            name=name,
            include_preprocessing=include_preprocessing,
            normalization=normalization,
            data_format=data_format,
            dtype=dtype,
            features_only=features_only,
        )

    # The signature shows the keywords of this network, with its defaults.
    signature = inspect.signature(constructor)
    visible = [
        p for p in signature.parameters.values() if p.kind != p.VAR_KEYWORD
    ] + [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default)
        for key, default in defaults.items()
    ]
    signature = signature.replace(parameters=visible)
    constructor.__signature__ = signature
    constructor.__name__ = constructor.__qualname__ = function
    constructor.__doc__ = _document(function, row, default_weights, defaults)
    CONSTRUCTORS[name] = constructor
    return constructor


def _document(function, row, default_weights, defaults):
    if row.se is None:
        twin = f"The plain twin of {_with_se(row).title}, without SE blocks. "
        reference = f"    {_PAPERS[row.family]}\n    {_SENET}"
    else:
        twin = f"{plain_twin(row).title.removesuffix(' without SE')} with SE "
        twin += "blocks. "
        reference = f"    {_SENET}\n    {_PAPERS[row.family]}"
    lines = [
        f"    {key}: {_KEYWORD_DOCS[key].format(stages=row.stages)}\n"
        f"        Defaults to `{_quoted(value)}`."
        for key, value in defaults.items()
    ]
    return _DOC.format(
        title=row.title,
        twin=textwrap.fill(
            twin + "The network takes RGB images with pixels in [0, 255] and "
            "normalises them inside.",
            80,
        ),
        tags="".join(f'`"{t}"`, ' for t in sources.tags(row)),
        weights=_quoted(default_weights),
        min_size=row.min_size,
        size=row.input_size,
        classes=row.classes,
        name=row.name,
        strides=(
            "4, 8, 16 and 32 (`C2` to `C5`)"
            if row.input_size > 64
            else "1, 2 and 4 (`C0` to `C2`)"
        ),
        keywords="\n".join(lines),
        function=function,
        reference=reference,
    )


def _quoted(value):
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _with_se(row):
    return next(n for n in NETWORKS.values() if n.se and plain_twin(n) == row)


def _nearest(word, words):
    close = difflib.get_close_matches(word, list(words), n=3, cutoff=0.5)
    if not close:
        return ""
    return f" Did you mean {' or '.join(map(repr, close))}?"


def list_models(pattern: str = "*") -> list[str]:
    """Returns the names of the networks that match a pattern.

    Args:
        pattern: shell-style pattern, such as `"se_*50*"`. Defaults to `"*"`.

    Returns:
        List of names, each SE network before its plain twin.

    Example:

    >>> keras_senet.list_models("*resnet18")
    ['se_resnet18', 'resnet18']
    """
    return [name for name in NETWORKS if fnmatch.fnmatchcase(name, pattern)]


def find_network(name: str) -> Network:
    """Returns the record of a network.

    Args:
        name: name in the registry, such as `"se_resnet50"`.

    Returns:
        A `Network`.

    Raises:
        ValueError: if there is none of that name; it names the nearest.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    # The constructor's name and the paper's mean the same network.
    bare = "".join(filter(str.isalnum, str(name).lower()))
    same = [key for key in NETWORKS if key.replace("_", "") == bare]
    hint = f" Did you mean {same[0]!r}?" if same else ""
    raise ValueError(
        f"There is no network {name!r}.{hint or _nearest(str(name), NETWORKS)} "
        "`keras_senet.list_models()` (`keras-senet list`) has all of them."
    )


def create_model(name: str, **keywords) -> DescribedModel:
    """Builds a network by its name.

    Args:
        name: name in the registry, such as `"se_resnet50"`.
        **keywords: arguments of the network's constructor.

    Returns:
        A `keras.Model` with a `card` that says what it is.

    Raises:
        ValueError: if there is no such network; it names the nearest.

    Example:

    >>> model = keras_senet.create_model("se_resnet20", weights=None, classes=5)
    >>> model.output_shape
    (None, 5)
    """
    return CONSTRUCTORS[find_network(name).name](**keywords)


SEResNet18 = _constructor("SEResNet18", "se_resnet18")
ResNet18 = _constructor("ResNet18", "resnet18")
SEResNet34 = _constructor("SEResNet34", "se_resnet34")
ResNet34 = _constructor("ResNet34", "resnet34")
SEResNet50 = _constructor("SEResNet50", "se_resnet50")
ResNet50 = _constructor("ResNet50", "resnet50")
SEResNet101 = _constructor("SEResNet101", "se_resnet101")
ResNet101 = _constructor("ResNet101", "resnet101")
SEResNet152 = _constructor("SEResNet152", "se_resnet152")
ResNet152 = _constructor("ResNet152", "resnet152")
SEResNeXt50 = _constructor("SEResNeXt50", "se_resnext50")
ResNeXt50 = _constructor("ResNeXt50", "resnext50")
SEResNeXt101 = _constructor("SEResNeXt101", "se_resnext101")
ResNeXt101 = _constructor("ResNeXt101", "resnext101")
SEResNeXt101_32x8d = _constructor("SEResNeXt101_32x8d", "se_resnext101_32x8d")
ResNeXt101_32x8d = _constructor("ResNeXt101_32x8d", "resnext101_32x8d")
SEResNeXt101_64x4d = _constructor("SEResNeXt101_64x4d", "se_resnext101_64x4d")
ResNeXt101_64x4d = _constructor("ResNeXt101_64x4d", "resnext101_64x4d")
SENet154 = _constructor("SENet154", "senet154")
PlainSENet154 = _constructor("PlainSENet154", "plain_senet154")
SEInceptionResNetV2 = _constructor(
    "SEInceptionResNetV2", "se_inception_resnet_v2"
)
InceptionResNetV2 = _constructor("InceptionResNetV2", "inception_resnet_v2")
SEBNInception = _constructor("SEBNInception", "se_bn_inception")
BNInception = _constructor("BNInception", "bn_inception")
SEVGG16 = _constructor("SEVGG16", "se_vgg16")
VGG16 = _constructor("VGG16", "vgg16")
SEAlexNet = _constructor("SEAlexNet", "se_alexnet")
AlexNet = _constructor("AlexNet", "alexnet")
SEMobileNet = _constructor("SEMobileNet", "se_mobilenet")
MobileNet = _constructor("MobileNet", "mobilenet")
SEShuffleNet = _constructor("SEShuffleNet", "se_shufflenet")
ShuffleNet = _constructor("ShuffleNet", "shufflenet")
SEResNet20 = _constructor("SEResNet20", "se_resnet20")
ResNet20 = _constructor("ResNet20", "resnet20")
SEResNet32 = _constructor("SEResNet32", "se_resnet32")
ResNet32 = _constructor("ResNet32", "resnet32")
SEResNet44 = _constructor("SEResNet44", "se_resnet44")
ResNet44 = _constructor("ResNet44", "resnet44")
SEResNet56 = _constructor("SEResNet56", "se_resnet56")
ResNet56 = _constructor("ResNet56", "resnet56")
SEResNet110 = _constructor("SEResNet110", "se_resnet110")
ResNet110 = _constructor("ResNet110", "resnet110")
SEResNet164 = _constructor("SEResNet164", "se_resnet164")
ResNet164 = _constructor("ResNet164", "resnet164")
SEWideResNet16x8 = _constructor("SEWideResNet16x8", "se_wide_resnet16x8")
WideResNet16x8 = _constructor("WideResNet16x8", "wide_resnet16x8")
