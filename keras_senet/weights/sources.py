"""The table of published weights: a row for a network and a tag."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from keras_senet.architectures.table import NETWORKS, Network

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class Source:
    """Weights that were trained for one network.

    Attributes:
        network: the record of the network, whose graph is theirs.
        tag: the name by which `weights=` asks for them.
        file: name of the file in the package.
        licence: SPDX name.
        origin: who made them.
    """

    network: Network
    tag: str
    file: str
    licence: str
    origin: str

    @property
    def path(self) -> Path:
        return FILES / self.file

    @property
    def measured(self) -> dict:
        """What the script that made the file wrote beside it."""
        report = self.path.with_name(self.path.name.split(".")[0] + ".json")
        return json.loads(report.read_text())["measured"]


SOURCES = (
    Source(
        network=NETWORKS["se_resnet20"],
        tag="cifar10",
        file="se_resnet20_cifar10.weights.h5",
        licence="Apache-2.0",
        origin="keras_senet, scripts/train_cifar10.py",
    ),
)


def tags(network: Network) -> list[str]:
    """Returns the tags of the weights that fit a record.

    Args:
        network: the record; weights of a network that differs in anything but
            its dropout don't fit it.

    Returns:
        List of tags, the default first.
    """
    return [s.tag for s in SOURCES if _same_weights(s.network, network)]


def find(network: Network, tag: str) -> Source:
    """Returns the source of a tag.

    Args:
        network: the record.
        tag: the tag.

    Returns:
        The `Source`.

    Raises:
        ValueError: if there is none; it lists those that there are.
    """
    for source in SOURCES:
        if source.tag == tag and _same_weights(source.network, network):
            return source
    unchanged = [s for s in SOURCES if s.network.name == network.name]
    if any(source.tag == tag for source in unchanged):
        raise ValueError(
            f"weights={tag!r} were trained for {network.title} as it is by "
            f"default, not with {differences(unchanged[0].network, network)}. "
            "Give `weights=None`, or leave these keywords out."
        )
    allowed = ["None", "the path of a .weights.h5 or .keras file"]
    allowed += map(repr, tags(network))
    raise ValueError(
        f"`weights` is {tag!r}, which is no file of Keras and no weights that "
        f"this package has for {network.title}. Allowed: {', '.join(allowed)}."
    )


def differences(expected: Network, given: Network) -> str:
    """Returns in words what one record has and another has not.

    Args:
        expected: a record.
        given: another.

    Returns:
        Text such as `reduction=4 (not 16)`.
    """
    words = []
    pairs = [(expected, given)]
    if expected.se and given.se:
        pairs.append((expected.se, given.se))
    for left, right in pairs:
        for key, value in vars(right).items():
            other = getattr(left, key)
            if key not in ("name", "title", "se") and value != other:
                words.append(f"{key}={value!r} (not {other!r})")
    return ", ".join(words)


def _same_weights(left: Network, right: Network) -> bool:
    return replace(left, dropout=0.0) == replace(right, dropout=0.0)
