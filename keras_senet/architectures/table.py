"""Every network as a row of data. Imports no Keras.

A network is a `Network`; where and how it squeezes and excites is its
`SqueezeExcitation`. The plain twin is the same row without that part, so that
the two cannot drift apart.
"""

import dataclasses
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SqueezeExcitation:
    """Where and how a network squeezes and excites.

    Attributes:
        reduction: the ratio r, one number or one per stage.
        placement: where in a residual unit the block stands (Fig. 5 and Table
            15 of the paper): `"standard"` on the branch before the sum,
            `"pre"` before the branch, `"post"` after the sum and its ReLU,
            `"identity"` on the shortcut, `"3x3"` after the 3x3 convolution.
        squeeze: `"avg"`, `"max"` (Table 11) or `"none"` (Table 16).
        excitation: name of the activation that makes the gates (Table 12).
        se_stages: numbers of the stages with SE blocks (Table 13), or `None`
            for all.
        se_bias: whether the SE convolutions have biases.
        output_scale: number by which the gates are multiplied. With another
            than 1 the excitation starts from zeros, so that with 2 every
            sigmoid gate starts at exactly one.
    """

    reduction: float | tuple[float, ...] = 16
    placement: str = "standard"
    squeeze: str = "avg"
    excitation: str = "sigmoid"
    se_stages: tuple[int, ...] | None = None
    se_bias: bool = True
    output_scale: float = 1.0


@dataclass(frozen=True)
class Network:
    """What a network is; equal records are the same graph.

    Attributes:
        name: name in the registry, in snake case.
        title: name as the paper writes it.
        family: module of `keras_senet.architectures` that builds it.
        stages: numbers of the stages, as in the layers' names.
        depths: blocks per stage.
        widths: channels that each stage puts out.
        se: the `SqueezeExcitation`, or `None` for a plain network.
        block: kind of block, a key of the family's table.
        stem: what comes before the first stage, a key of the family's table.
        cardinality: groups of the 3x3 (ResNeXt) or pointwise (ShuffleNet)
            convolutions.
        base_width: width of a group at 64 channels (ResNeXt's `d`).
        half_reduce: whether the reducing 1x1 is half as wide as the 3x3.
        stride_on: `"1x1"` or `"3x3"`, the convolution of a bottleneck that
            strides.
        pool: `"ceil"` (Caffe) or `"padded"` (timm, torchvision), how the 3x3
            max pools of stride 2 treat the border.
        projection: `"1x1"`, `"3x3"` or `"zero-pad"`, the shortcut where the
            shape changes.
        modules: rows of an Inception network.
        alpha: multiplier of the widths (MobileNet).
        strides: of the first convolution and of each stage (MobileNet).
        head: `"pooled"` (global average) or `"fully_connected"` (two layers of
            4096), what comes before the classifier.
        dropout: rate before the classifier, and between fully connected
            layers.
        epsilon: of the batch normalisations.
        input_size: height and width in pixels it was trained at.
        crop: part of the resized image's short side that the centre crop of
            `input_size` keeps for evaluation (224 of 256).
        min_size: smallest height and width in pixels.
        dataset: `"imagenet"` or `"cifar10"`, whose classes it tells apart.
    """

    name: str = field(compare=False)
    title: str = field(compare=False)
    family: str
    stages: tuple[int, ...]
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    se: SqueezeExcitation | None = SqueezeExcitation()
    block: str = "bottleneck"
    stem: str = "7x7"
    cardinality: int = 1
    base_width: int = 64
    half_reduce: bool = False
    stride_on: str = "1x1"
    pool: str = "ceil"
    projection: str = "1x1"
    modules: tuple = ()
    alpha: float = 1.0
    strides: tuple[int, ...] = (2, 1, 2, 2, 2, 2)
    head: str = "pooled"
    dropout: float = 0.0
    epsilon: float = 1e-5
    input_size: int = 224
    crop: float = 224 / 256
    min_size: int = 32
    dataset: str = "imagenet"

    @property
    def classes(self) -> int:
        return {"imagenet": 1000, "cifar10": 10}[self.dataset]


def plain_twin(network: Network) -> Network:
    """The same record without its SE part, under the plain name."""
    name = network.name.removeprefix("se_")
    title = network.title.removeprefix("SE-")
    if name == network.name:
        name, title = f"plain_{name}", f"{title} without SE"
    return dataclasses.replace(network, name=name, title=title, se=None)


def _residual(name, title, depths, **options):
    """A residual network for ImageNet: four stages, conv2 to conv5."""
    return Network(
        name,
        title,
        family="resnet",
        stages=(2, 3, 4, 5),
        depths=depths,
        **{"widths": (256, 512, 1024, 2048), **options},
    )


def _cifar(name, title, depth, **options):
    """A residual network for 32x32 images: three stages, conv2 to conv4."""
    return Network(
        name,
        title,
        family="resnet",
        stages=(2, 3, 4),
        depths=(depth,) * 3,
        stem="3x3",
        input_size=32,
        crop=1.0,
        min_size=8,
        dataset="cifar10",
        **{
            "widths": (16, 32, 64),
            "block": "basic",
            "projection": "zero-pad",
            **options,
        },
    )


BASIC = {"block": "basic", "widths": (64, 128, 256, 512)}
# SE-ResNeXt-50.prototxt strides in the 3x3, unlike SE-ResNet-50.prototxt.
RESNEXT = {"cardinality": 32, "base_width": 4, "stride_on": "3x3"}

# Columns: 1x1 | 3x3 reduce, 3x3 | double reduce, first, second | pool, its
# projection. 0 where SE-BN-Inception.prototxt has no such layer; a module with
# no 1x1 has stride 2.
BN_INCEPTION = (
    ("3a", 64, (64, 64), (64, 96, 96), ("avg", 32)),
    ("3b", 64, (64, 96), (64, 96, 96), ("avg", 64)),
    ("3c", 0, (128, 160), (64, 96, 96), ("max", 0)),
    ("4a", 224, (64, 96), (96, 128, 128), ("avg", 128)),
    ("4b", 192, (96, 128), (96, 128, 128), ("avg", 128)),
    ("4c", 160, (128, 160), (128, 160, 160), ("avg", 128)),
    ("4d", 96, (128, 192), (160, 192, 192), ("avg", 128)),
    ("4e", 0, (128, 192), (192, 256, 256), ("max", 0)),
    ("5a", 352, (192, 320), (160, 224, 224), ("avg", 128)),
    ("5b", 352, (192, 320), (192, 224, 224), ("max", 128)),
)

_ROWS = (
    _residual("se_resnet18", "SE-ResNet-18", (2, 2, 2, 2), **BASIC),
    _residual("se_resnet34", "SE-ResNet-34", (3, 4, 6, 3), **BASIC),
    _residual("se_resnet50", "SE-ResNet-50", (3, 4, 6, 3)),
    _residual("se_resnet101", "SE-ResNet-101", (3, 4, 23, 3)),
    _residual("se_resnet152", "SE-ResNet-152", (3, 8, 36, 3)),
    _residual("se_resnext50", "SE-ResNeXt-50 (32x4d)", (3, 4, 6, 3), **RESNEXT),
    _residual(
        "se_resnext101", "SE-ResNeXt-101 (32x4d)", (3, 4, 23, 3), **RESNEXT
    ),
    _residual(
        "se_resnext101_32x8d",
        "SE-ResNeXt-101 (32x8d)",
        (3, 4, 23, 3),
        **{**RESNEXT, "base_width": 8},
    ),
    _residual(
        "se_resnext101_64x4d",
        "SE-ResNeXt-101 (64x4d)",
        (3, 4, 23, 3),
        **{**RESNEXT, "cardinality": 64},
    ),
    _residual(
        "senet154",
        "SENet-154",
        (3, 8, 36, 3),
        stem="deep",
        cardinality=64,
        base_width=4,
        half_reduce=True,
        stride_on="3x3",
        projection="3x3",
        dropout=0.2,
    ),
    Network(
        "se_inception_resnet_v2",
        "SE-Inception-ResNet-v2",
        family="inception_resnet",
        # Inception-ResNet blocks A, B and C.
        stages=(1, 2, 3),
        depths=(10, 20, 10),
        widths=(320, 1088, 2080),
        epsilon=1e-3,
        input_size=299,
        crop=299 / 352,
        min_size=75,
    ),
    Network(
        "se_bn_inception",
        "SE-BN-Inception",
        family="inception",
        stages=(3, 4, 5),
        depths=(3, 5, 2),
        widths=(576, 1056, 1024),
        modules=BN_INCEPTION,
    ),
    Network(
        "se_vgg16",
        "SE-VGG-16 (BN)",
        family="vgg",
        stages=(1, 2, 3, 4, 5),
        depths=(2, 2, 3, 3, 3),
        widths=(64, 128, 256, 512, 512),
        head="fully_connected",
        dropout=0.5,
    ),
    Network(
        "se_alexnet",
        "SE-AlexNet",
        family="alexnet",
        stages=(1, 2, 3, 4, 5),
        depths=(1, 1, 1, 1, 1),
        # torchvision's one-tower form (Krizhevsky 2014, arXiv:1404.5997).
        widths=(64, 192, 384, 256, 256),
        head="fully_connected",
        dropout=0.5,
        # Its first convolution and three pools leave nothing of a smaller map.
        min_size=63,
    ),
    Network(
        "se_mobilenet",
        "SE-MobileNet",
        family="mobilenet",
        # A stage ends where the map is halved next.
        stages=(1, 2, 3, 4, 5),
        depths=(1, 2, 2, 6, 2),
        widths=(64, 128, 256, 512, 1024),
        epsilon=1e-3,
    ),
    Network(
        "se_shufflenet",
        "SE-ShuffleNet (1x, g=3)",
        family="shufflenet",
        stages=(2, 3, 4),
        depths=(4, 8, 4),
        widths=(240, 480, 960),
        cardinality=3,
        # Zhang et al. 2018 (arXiv:1707.01083) pad the stem's pool.
        pool="padded",
    ),
    *(
        _cifar(f"se_resnet{6 * n + 2}", f"SE-ResNet-{6 * n + 2}", n)
        for n in (3, 5, 7, 9, 18)
    ),
    _cifar(
        "se_resnet164",
        "SE-ResNet-164",
        18,
        block="preact_bottleneck",
        widths=(64, 128, 256),
        projection="1x1",
    ),
    _cifar(
        "se_wide_resnet16x8",
        "SE-WRN-16-8",
        2,
        block="preact_basic",
        widths=(128, 256, 512),
        projection="1x1",
    ),
)

NETWORKS = {
    network.name: network for row in _ROWS for network in (row, plain_twin(row))
}
