"""The public constructors and their documentation, made from the table."""

import difflib
import inspect
import textwrap
from collections.abc import Callable, Iterable

from keras_senet.architectures.card import DescribedModel
from keras_senet.architectures.table import NETWORKS, plain_twin
from keras_senet.architectures.variants import keywords, variant
from keras_senet.create import create
from keras_senet.weights import sources

_DOC = """Builds {title}.

{twin}

Args:
    include_top: boolean, whether the model ends in its classifier. Defaults to
        `True`.
{weights}
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
    "output_scale": """number by which the gates are multiplied. With another
        than 1 the excitation starts from zeros, so that with 2 every sigmoid
        gate starts at exactly one.""",
    "cardinality": """integer, the groups of the 3x3 convolutions.""",
    "base_width": """integer, the channels of a group at 64 channels.""",
    "stride_on": """`"1x1"` or `"3x3"`, the convolution that strides.""",
    "pool": """`"ceil"` (as Caffe) or `"padded"` (as timm and torchvision),
        the border of the stem's max pool.""",
    "alpha": """number greater than 0, the multiplier of the widths.""",
    "strides": """numbers 1 or 2, of the first convolution and of each stage.
        For small images, such as 32 pixels, `(1, 1, 2, 2, 2, 1)`.""",
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


def constructor_of(function: str, name: str) -> Callable[..., DescribedModel]:
    """Makes the public constructor of a row of the table of networks.

    Args:
        function: its name in the package.
        name: name of the network in the registry.

    Returns:
        A function; its signature and docstring have the keywords that this
        network takes, with its defaults.
    """
    row = NETWORKS[name]
    # A tag with a network of its own is for those who ask for it.
    default_weights = next(
        (t for t in sources.tags(row) if t in ("imagenet", "cifar10")), None
    )
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
                f"{nearest(unknown[0], signature.parameters)} It takes: "
                f"{', '.join(signature.parameters)}."
            )
        return create(
            variant(row, **changes),
            weights,
            tuple(changes),
            include_top=include_top,
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
        weights=textwrap.fill(
            "weights: "
            + "".join(f'`"{tag}"`, ' for tag in sources.tags(row))
            + "the path of a `.weights.h5` or `.keras` file, or `None` for "
            "random weights. A tag brings the strides and pools that its "
            "weights were trained with. Defaults to "
            f"`{_quoted(default_weights)}`.",
            80,
            initial_indent="    ",
            subsequent_indent="        ",
        ),
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


def nearest(word: str, words: Iterable[str]) -> str:
    """Returns a hint at the words most like one that is unknown.

    Args:
        word: what was given.
        words: what is allowed.

    Returns:
        A sentence with a space before it, or nothing.
    """
    close = difflib.get_close_matches(word, list(words), n=3, cutoff=0.5)
    if not close:
        return ""
    return f" Did you mean {' or '.join(map(repr, close))}?"
