"""The table of published weights: a row for a network and a tag.

`published.csv` holds the rows. Where its facts are from: the hashes are those
that classification_models, keras.applications and open_model_zoo print; the
accuracies are those of timm's results-imagenet.csv (for the released networks
of Cadene's port of them, which is what the HDF5 files hold), of keras.io, and
of the authors' README for their Caffe models, each on the geometry of its row.
"""

import csv
import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path

from keras_senet.architectures import variants
from keras_senet.architectures.table import (
    NETWORKS,
    Network,
    plain_twin,
)
from keras_senet.weights import store
from keras_senet.weights.store import RemoteFile

FILES = Path(__file__).parent / "files"
# The plain twin's weights in an SE network whose gates start at exactly one.
BACKBONE = "imagenet-backbone"
# What a tag settles unless the user does: two graphs with the same shapes.
GEOMETRY = ("stride_on", "pool")


@dataclass(frozen=True)
class Source:
    """Weights that were trained for one network.

    Attributes:
        network: the record of the network, whose graph is theirs.
        tag: the name by which `weights=` asks for them.
        dialect: `"keras"` for this package's own layout, or a key of
            `weights.dialects.DIALECTS`.
        file: where they are: a path or a published file.
        file_without_top: a smaller file without the classifier, or `None`.
        licence: SPDX name.
        origin: who made them.
        citation: the paper.
        input_size: height and width in pixels that the accuracy is of.
        crop: part of the short side that the centre crop keeps there.
        interpolation: how images were resized, `"bilinear"` or `"bicubic"`.
        normalization: a key of `preprocessing.NORMALIZATIONS`, a pair (mean,
            std), or `None` if unknown.
        top1: top-1 accuracy as published, in percent, or `None`.
        top5: top-5 accuracy as published, in percent, or `None`.
    """

    network: Network
    tag: str
    dialect: str
    file: Path | RemoteFile
    file_without_top: RemoteFile | None = None
    licence: str | None = None
    origin: str | None = None
    citation: str | None = None
    input_size: int = 224
    crop: float = 0.875
    interpolation: str = "bilinear"
    normalization: str | tuple | None = None
    top1: float | None = None
    top5: float | None = None

    def fetch(self, include_top: bool = True) -> Path:
        """Returns the file on this machine, downloaded and verified.

        Args:
            include_top: whether the classifier is wanted.

        Returns:
            A path.

        Raises:
            ValueError: if it can't be had, or is not what it should be.
        """
        file = self._file(include_top)
        return store.fetch(file) if isinstance(file, RemoteFile) else file

    def forget(self, include_top: bool = True) -> None:
        """Removes a downloaded file whose hash nobody has published.

        Args:
            include_top: as for `fetch`.
        """
        file = self._file(include_top)
        if isinstance(file, RemoteFile):
            store.forget(file)

    def _file(self, include_top):
        return self.file if include_top else self.file_without_top or self.file

    @property
    def shipped(self) -> bool:
        """Whether the file is in the package."""
        return isinstance(self.file, Path) and self.file.parent == FILES

    @property
    def hub_name(self) -> str | None:
        """Its name at timm, such as `"seresnet50.ra2_in1k"`."""
        hub = getattr(self.file, "hub", None)
        return hub and hub.removeprefix("timm/")

    @property
    def published(self) -> dict | None:
        """Accuracy as published, as the card of a model has it."""
        if self.top1 is None:
            return None
        return {
            "top1": round(self.top1 / 100, 5),
            "top5": round(self.top5 / 100, 5),
        }

    @property
    def measured(self) -> dict | None:
        """What the script that made a shipped file wrote beside it."""
        if not self.shipped:
            return None
        report = self.file.with_name(f"{self.file.name.split('.')[0]}.json")
        return json.loads(report.read_text())["measured"]


def _read_table():
    path = Path(__file__).with_name("published.csv")
    for row in csv.DictReader(path.read_text().splitlines()):
        changes = dict(pair.split("=") for pair in row["changes"].split())
        for tag in row["tags"].split():
            yield Source(
                network=variants.variant(NETWORKS[row["network"]], **changes),
                tag=tag,
                dialect=row["dialect"],
                file=_remote(row["url"], row["digest"], row),
                file_without_top=_remote(
                    row["url_without_top"], row["digest_without_top"], row
                ),
                licence=row["licence"],
                origin=row["origin"],
                citation=row["citation"],
                input_size=int(row["input_size"]),
                crop=float(row["crop"]),
                interpolation=row["interpolation"],
                normalization=row["normalization"],
                top1=float(row["top1"]),
                top5=float(row["top5"]),
            )


def _remote(url, digest, row):
    if not url:
        return None
    hub = None
    file = url.rpartition("/")[2]
    if url.startswith("hf://"):
        file = url.removeprefix("hf://")
        hub, url = file.rpartition("/")[0], None
    return RemoteFile(
        file,
        url=url,
        hub=hub,
        size=int(row["size"]) if row["size"] else None,
        algorithm=row["algorithm"] if digest else None,
        digest=digest or None,
    )


SOURCES = (
    *_read_table(),
    Source(
        network=NETWORKS["se_resnet20"],
        tag="cifar10",
        dialect="keras",
        file=FILES / "se_resnet20_cifar10.weights.h5",
        licence="Apache-2.0",
        origin="keras_senet, scripts/train_cifar10.py",
        citation="arXiv:1709.01507",
        input_size=32,
        crop=1.0,
    ),
)


def tags(network: Network, given: tuple[str, ...] = ()) -> list[str]:
    """Returns the tags of the weights that a network can have.

    Args:
        network: the record; weights of a network that differs in anything but
            its dropout don't fit it.
        given: names of the fields that the user has set. A tag may change the
            others of `GEOMETRY`, since it brings its own.

    Returns:
        List of tags, the default first.
    """
    found = [s.tag for s in SOURCES if _fits(s, network, given)]
    if _backbone(network, given):
        found.append(BACKBONE)
    return found


def find(network: Network, tag: str, given: tuple[str, ...] = ()) -> Source:
    """Returns the source of a tag.

    Args:
        network: the record.
        tag: the tag.
        given: names of the fields that the user has set.

    Returns:
        The `Source`; its `network` is the one to build.

    Raises:
        ValueError: if there is none; it lists those that there are.
    """
    for source in SOURCES:
        if source.tag == tag and _fits(source, network, given):
            return source
    if tag == BACKBONE:
        source = _backbone(network, given)
        if source:
            return source
        raise ValueError(_no_backbone(network, given))
    unchanged = [s for s in SOURCES if s.network.name == network.name]
    for source in unchanged:
        if source.tag == tag:
            check(source, network, given)
    allowed = ["None", "the path of a .weights.h5 or .keras file"]
    allowed += map(repr, tags(network, given))
    allowed = f"Allowed: {', '.join(allowed)}."
    if tag == "imagenet" and not unchanged:
        advice = ""
        if _backbone(network, given):
            advice = (
                f" weights={BACKBONE!r} loads those of its plain twin, with "
                "gates that start at exactly one, ready for fine-tuning."
            )
        raise ValueError(
            f"No ImageNet weights of {network.title} were ever published."
            f"{advice} {allowed}"
        )
    raise ValueError(
        f"`weights` is {tag!r}, which is no file of Keras and no weights that "
        f"this package knows for {network.title}. {allowed}"
    )


def check(
    source: Source, network: Network, given: tuple[str, ...] = ()
) -> None:
    """Raises an error if weights don't fit a network.

    Args:
        source: the weights.
        network: the record.
        given: names of the fields that the user has set.

    Raises:
        ValueError: if they don't; it says what differs.
    """
    if not _fits(source, network, given):
        raise ValueError(
            f"weights={source.tag!r} of {source.network.title} were trained "
            "for another graph; here "
            f"{differences(source.network, network, given)}. Leave these "
            "keywords out, or give `weights=None`."
        )


def differences(
    expected: Network, network: Network, given: tuple[str, ...] = ()
) -> str:
    """Returns in words what a record has that the user has not left open.

    Args:
        expected: a record.
        network: another.
        given: names of the fields that the user has set; others of `GEOMETRY`
            don't count.

    Returns:
        Text such as `reduction=4 (not 16)`.
    """
    ignored = [key for key in GEOMETRY if key not in given]
    return variants.differences(expected, network, ignored)


def _fits(source, network, given):
    settled = {
        key: getattr(source.network, key)
        for key in (*GEOMETRY, "dropout")
        if key not in given or key == "dropout"
    }
    return replace(network, **settled) == source.network


@functools.lru_cache
def _backbone(network, given):
    """The source of `imagenet-backbone`, or None where there can't be one."""
    se = network.se
    if se is None or se.excitation not in ("sigmoid", "hard_sigmoid"):
        # Only these two are exactly a half at zero.
        return None
    if "output_scale" in given and se.output_scale != 2:
        return None
    twin = plain_twin(network)
    for source in SOURCES:
        if source.tag == "imagenet" and _fits(source, twin, given):
            return replace(
                source,
                tag=BACKBONE,
                network=replace(
                    source.network,
                    name=network.name,
                    title=network.title,
                    se=replace(se, output_scale=2.0),
                ),
                origin=f"{source.origin}, with SE blocks that start at one",
                top1=None,
                top5=None,
            )
    return None


def _no_backbone(network, given):
    if network.se is None:
        return (
            f"weights={BACKBONE!r} are for networks with SE blocks, and "
            f"{network.title} has none. Allowed: "
            f"{', '.join(map(repr, ['None', *tags(network)]))}."
        )
    if network.se.excitation not in ("sigmoid", "hard_sigmoid"):
        return (
            f"weights={BACKBONE!r} need a gate that starts at exactly one, "
            f"and `excitation` is {network.se.excitation!r}. Allowed: "
            "'sigmoid' and 'hard_sigmoid'."
        )
    if "output_scale" in given and network.se.output_scale != 2:
        return (
            f"weights={BACKBONE!r} need `output_scale=2`, at which a gate "
            f"starts at exactly one; it is {network.se.output_scale!r}."
        )
    twin = plain_twin(network)
    changed = differences(NETWORKS[twin.name], twin, given)
    return (
        f"weights={BACKBONE!r} are those of the plain twin, and none of "
        f"{twin.title}{f' with {changed}' if changed else ''} are listed. Give "
        "`weights=None`, or a file."
    )
