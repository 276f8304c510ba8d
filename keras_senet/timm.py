"""Networks by the names of timm."""

import difflib
from dataclasses import replace
from pathlib import Path

from keras_senet.applications import CONSTRUCTORS
from keras_senet.architectures.card import DescribedModel
from keras_senet.architectures.table import NETWORKS
from keras_senet.architectures.variants import variant
from keras_senet.weights.sources import SOURCES, Source

# How timm's resnet.py and torchvision stride and pool.
_PADDED = {"pool": "padded"}
_TORCH = {"stride_on": "3x3", **_PADDED}
# timm/layers/squeeze_excite.py rounds the bottleneck to a multiple of 8, which
# shows at 64 channels.
_BASIC_SE = {"reduction": (8, 16, 16, 16), **_PADDED}

# Architecture -> network, geometry, and the tag that the bare name stands for
# in timm. legacy_* are Cadene's port of the Caffe networks, whose weights are
# in the rows "imagenet".
ARCHITECTURES = {
    "resnet18": ("resnet18", _PADDED, "a1_in1k"),
    "resnet34": ("resnet34", _PADDED, "a1_in1k"),
    "resnet50": ("resnet50", _TORCH, "a1_in1k"),
    "resnet101": ("resnet101", _TORCH, "a1h_in1k"),
    "resnet152": ("resnet152", _TORCH, "a1h_in1k"),
    "resnext50_32x4d": ("resnext50", _TORCH, "a1h_in1k"),
    "resnext101_32x4d": ("resnext101", _TORCH, "gluon_in1k"),
    "resnext101_32x8d": ("resnext101_32x8d", _TORCH, "tv_in1k"),
    "resnext101_64x4d": ("resnext101_64x4d", _TORCH, "gluon_in1k"),
    "seresnet18": ("se_resnet18", _BASIC_SE, None),
    "seresnet34": ("se_resnet34", _BASIC_SE, None),
    "seresnet50": ("se_resnet50", _TORCH, "ra2_in1k"),
    "seresnet101": ("se_resnet101", _TORCH, None),
    "seresnet152": ("se_resnet152", _TORCH, None),
    "seresnext50_32x4d": ("se_resnext50", _TORCH, "racm_in1k"),
    "seresnext101_32x4d": ("se_resnext101", _TORCH, "gluon_in1k"),
    "seresnext101_32x8d": ("se_resnext101_32x8d", _TORCH, "ah_in1k"),
    "seresnext101_64x4d": ("se_resnext101_64x4d", _TORCH, "gluon_in1k"),
    "senet154": ("senet154", _TORCH, "gluon_in1k"),
    "legacy_seresnet50": ("se_resnet50", {}, "in1k"),
    "legacy_seresnet101": ("se_resnet101", {}, "in1k"),
    "legacy_seresnet152": ("se_resnet152", {}, "in1k"),
    "legacy_seresnext50_32x4d": ("se_resnext50", {}, "in1k"),
    "legacy_seresnext101_32x4d": ("se_resnext101", {}, "in1k"),
    "legacy_senet154": ("senet154", {}, "in1k"),
    "inception_resnet_v2": ("inception_resnet_v2", {}, "tf_in1k"),
    "vgg16_bn": ("vgg16", {}, "tv_in1k"),
}


def from_timm(name: str, path=None, **keywords) -> DescribedModel:
    """Builds the network that timm calls by a name, with timm's weights.

    Args:
        name: timm's name with or without a tag, such as
            `"seresnet50.ra2_in1k"` or `"legacy_senet154"`. Without a tag its
            weights are those that timm takes. The legacy networks are Cadene's
            port of the authors'; their weights come from the row `"imagenet"`.
        path: a local `.safetensors` file with the weights, or `None` to
            download them. Defaults to `None`.
        **keywords: arguments of the network's constructor, such as
            `input_shape`, `include_top`, `classes` or
            `classifier_activation`.

    Returns:
        A `keras.Model` with a `card` that says what it is. It takes images
        with pixels in [0, 255] unless `include_preprocessing` is `False`.

    Raises:
        ValueError: if there is no such network or tag here, or the file
            can't be had or is damaged.

    Example:

    >>> model = keras_senet.from_timm(
    ...     "seresnet50.ra2_in1k", "model.safetensors"
    ... )
    """
    architecture, _, tag = str(name).removeprefix("timm/").partition(".")
    if architecture not in ARCHITECTURES:
        close = difflib.get_close_matches(architecture, ARCHITECTURES, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(
            f"There is no network here that timm calls {name!r}.{hint} "
            f"Allowed: {', '.join(ARCHITECTURES)}, with or without a tag."
        )
    if "weights" in keywords:
        raise ValueError(
            "`weights` is no argument of from_timm: the name's tag or `path` "
            "says which. Leave it out."
        )
    network, geometry, default = ARCHITECTURES[architecture]
    source = _find(architecture, tag or default)
    if path is not None:
        source = _local(source, architecture, name, path)
        keywords.setdefault("classes", None)
    elif source is None:
        known = [
            s.hub_name
            for s in SOURCES
            if (s.hub_name or "").split(".")[0] == architecture
        ]
        raise ValueError(
            f"There are no weights {name!r} in the table. Allowed: "
            f"{', '.join(dict.fromkeys(known)) or 'none of this network'}, or "
            "the path of a local .safetensors file as `path`."
        )
    for key, value in geometry.items():
        if keywords.setdefault(key, value) != value:
            raise ValueError(
                f"`{key}` is {keywords[key]!r}, and {name} was trained with "
                f"{value!r}. Leave it out."
            )
    return CONSTRUCTORS[network](weights=source, **keywords)


def _find(architecture, tag):
    """The row of a name of timm's, or None."""
    if architecture.startswith("legacy_"):
        network = ARCHITECTURES[architecture][0]
        return next(
            (
                s
                for s in SOURCES
                if s.network == NETWORKS[network]
                and (s.tag, tag) == ("imagenet", "in1k")
            ),
            None,
        )
    # The last, since the tag "imagenet" of some rows comes before their own.
    return next(
        (s for s in SOURCES[::-1] if s.hub_name == f"{architecture}.{tag}"),
        None,
    )


def _local(row, architecture, name, path):
    """The source of a local file, described as far as the table knows it."""
    if not str(path).endswith(".safetensors"):
        raise ValueError(
            f"`path` is {str(path)!r}. Allowed: a .safetensors file. "
            "`keras_senet.convert_weights` reads HDF5 and Caffe; pickles "
            "(.pth, .bin) run code when they are opened and are not."
        )
    network, geometry, _ = ARCHITECTURES[architecture]
    if row is None:
        row = Source(
            network=variant(NETWORKS[network], **geometry),
            tag=str(name),
            dialect="torch",
            file=Path(path),
            input_size=NETWORKS[network].input_size,
        )
    return replace(
        row,
        tag=str(name),
        dialect="torch",
        file=Path(path),
        file_without_top=None,
        # Nobody has said that this file is the published one.
        top1=None,
        top5=None,
        licence=None,
        origin=f"{name}, a local file",
    )
