"""The public constructors, one line each, and the registry of networks."""

import fnmatch
from collections.abc import Callable

from keras_senet.architectures.card import DescribedModel
from keras_senet.architectures.table import NETWORKS, Network
from keras_senet.constructors import constructor_of, nearest

# Filled below, by `_constructor`.
CONSTRUCTORS: dict[str, Callable[..., DescribedModel]] = {}


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

    Example:

    >>> keras_senet.find_network("se_resnet50").title
    'SE-ResNet-50'
    """
    if name in NETWORKS:
        return NETWORKS[name]
    # The constructor's name and the paper's mean the same network.
    bare = "".join(filter(str.isalnum, str(name).lower()))
    same = [key for key in NETWORKS if key.replace("_", "") == bare]
    hint = f" Did you mean {same[0]!r}?" if same else ""
    raise ValueError(
        f"There is no network {name!r}.{hint or nearest(str(name), NETWORKS)} "
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


def _constructor(function, name):
    """Makes a constructor and enters it into the registry."""
    CONSTRUCTORS[name] = constructor_of(function, name)
    return CONSTRUCTORS[name]


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
