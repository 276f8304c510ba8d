"""Variants of a network: which fields of its record a user may change.

Imports no Keras.
"""

import dataclasses
from collections.abc import Iterable

from keras_senet.architectures.table import Network, SqueezeExcitation

# What a keyword of a constructor may be, where it is one of a few words.
CHOICES = {
    "placement": ("standard", "pre", "post", "identity", "3x3"),
    "squeeze": ("avg", "max", "none"),
    "excitation": ("sigmoid", "relu", "tanh", "hard_sigmoid"),
    "stride_on": ("1x1", "3x3"),
    "pool": ("ceil", "padded"),
}
# The families with a sum in which the designs of Fig. 5 can be told apart.
RESIDUAL = ("resnet", "inception_resnet", "shufflenet")


def keywords(network: Network) -> tuple[str, ...]:
    """Returns the fields that a network's constructor takes as keywords.

    Args:
        network: the record.

    Returns:
        Names of fields of `Network` and `SqueezeExcitation`.
    """
    names = []
    if network.se is not None:
        names += [f.name for f in dataclasses.fields(network.se)]
        if network.family not in RESIDUAL:
            names.remove("placement")
    if network.family == "resnet" and network.block == "bottleneck":
        if network.cardinality > 1:
            names += ["cardinality", "base_width"]
        names += ["stride_on"]
    if network.family == "resnet" and network.stem != "3x3":
        names += ["pool"]
    if network.family == "mobilenet":
        names += ["alpha", "strides"]
    return (*names, "dropout")


def variant(network: Network, **changes) -> Network:
    """Returns the record with some of its keywords changed.

    Args:
        network: the record.
        **changes: values of the fields that `keywords(network)` names.

    Returns:
        A `Network`; the record itself if nothing differs from it.

    Raises:
        ValueError: for a value that is not allowed.
    """
    # numpy's numbers become Python's, which JSON and comparisons know.
    changes = {
        key: value.tolist() if hasattr(value, "tolist") else value
        for key, value in changes.items()
    }
    for key, value in changes.items():
        _check(network, key, value)
    se_fields = [f.name for f in dataclasses.fields(SqueezeExcitation)]
    frozen = {
        key: _freeze(value) if isinstance(value, (list, tuple)) else value
        for key, value in changes.items()
    }
    if frozen.get("se_stages") == network.stages:
        frozen["se_stages"] = None
    se = network.se
    if se is not None:
        se = dataclasses.replace(
            se, **{k: v for k, v in frozen.items() if k in se_fields}
        )
    rest = {k: v for k, v in frozen.items() if k not in se_fields}
    return dataclasses.replace(network, se=se, **rest)


def _check(network, key, value):
    allowed = None
    if key in CHOICES:
        if value not in CHOICES[key]:
            allowed = ", ".join(map(repr, CHOICES[key]))
        elif value == "3x3" and network.family == "inception_resnet":
            allowed = (
                "'standard', 'pre', 'post' or 'identity', since the branches "
                "of Inception-ResNet-v2 have no one 3x3 convolution"
            )
    elif key == "reduction":
        values = value if isinstance(value, (tuple, list)) else (value,)
        many = isinstance(value, (tuple, list))
        if not all(_positive(v, (int, float)) for v in values) or (
            many and len(values) != len(network.stages)
        ):
            allowed = (
                "a number greater than 0, or one per stage "
                f"({len(network.stages)} for {network.title})"
            )
    elif key == "se_stages":
        if value is not None and not (
            isinstance(value, (tuple, list))
            and value
            and set(value) <= set(network.stages)
        ):
            allowed = f"None, or some of the stages {network.stages}"
    elif key == "output_scale":
        if not _positive(value, (int, float)):
            allowed = "a number greater than 0"
    elif key in ("cardinality", "base_width"):
        if not _positive(value, int):
            allowed = "an integer greater than 0"
    elif key == "alpha":
        if not _positive(value, (int, float)):
            allowed = "a number greater than 0"
    elif key == "strides":
        count = len(network.stages) + 1
        if not (
            isinstance(value, (tuple, list))
            and len(value) == count
            and all(stride in (1, 2) for stride in value)
        ):
            allowed = (
                f"{count} numbers that are 1 or 2, for the first convolution "
                "and each stage"
            )
    elif key == "dropout":
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < 1:
            allowed = "a number of at least 0 and less than 1"
    elif key == "se_bias" and not isinstance(value, bool):
        allowed = "True or False"
    if allowed:
        raise ValueError(
            f"`{key}` is {value!r} for {network.title}. Allowed: {allowed}."
        )


def _positive(value, kind):
    return isinstance(value, kind) and not isinstance(value, bool) and value > 0


def differences(
    expected: Network, network: Network, ignored: Iterable[str] = ()
) -> str:
    """Returns in words what one record has and another has not.

    Args:
        expected: a record.
        network: another.
        ignored: names of fields that don't count.

    Returns:
        Text such as `reduction=4 (not 16)`.
    """
    words = []
    pairs = [(expected, network)]
    if expected.se and network.se:
        pairs.append((expected.se, network.se))
    ignored = {"name", "title", "se", "dropout", *ignored}
    for left, right in pairs:
        for key, value in vars(right).items():
            other = getattr(left, key)
            if key not in ignored and value != other:
                words.append(f"{key}={value!r} (not {other!r})")
    return ", ".join(words)


def from_record(record: dict) -> Network:
    """Returns the network of a card's record.

    Args:
        record: the fields of a `Network`, as a card and JSON have them.

    Returns:
        A `Network`.
    """
    fields = {key: _freeze(value) for key, value in record.items()}
    if record["se"] is not None:
        se = {key: _freeze(value) for key, value in record["se"].items()}
        fields["se"] = SqueezeExcitation(**se)
    return Network(**fields)


def _freeze(value):
    """JSON has lists where a record has tuples."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_freeze, value))
    return value.item() if hasattr(value, "item") else value
