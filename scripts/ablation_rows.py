"""The rows of the paper's ablations (section 6), for any network with SE."""

import dataclasses

from keras_senet.architectures.table import (
    Network,
    SqueezeExcitation,
    plain_twin,
)
from keras_senet.architectures.variants import keywords, variant

SE_FIELDS = [field.name for field in dataclasses.fields(SqueezeExcitation)]


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of one of the paper's tables.

    Attributes:
        label: what the table calls it.
        options: arguments of the network's constructor, or `None` for the
            network without SE.
        paper: its top-1 error there in percent, or `None`.
    """

    label: str
    options: dict | None
    paper: float | None


PLAIN = Row("without SE", None, 23.30)
STUDIES = {
    # Table 10.
    "reduction": (
        PLAIN,
        *(
            Row(f"r = {ratio}", {"reduction": ratio}, error)
            for ratio, error in (
                (2, 22.29),
                (4, 22.25),
                (8, 22.26),
                (16, 22.28),
                (32, 22.72),
            )
        ),
    ),
    # Table 11.
    "squeeze": (
        Row("max", {"squeeze": "max"}, 22.57),
        Row("avg", {"squeeze": "avg"}, 22.28),
    ),
    # Table 12.
    "excitation": tuple(
        Row(name, {"excitation": name}, error)
        for name, error in (
            ("relu", 23.47),
            ("tanh", 23.00),
            ("sigmoid", 22.28),
        )
    ),
    # Table 13, where the stages of the network come between the two.
    "stages": (PLAIN, Row("all", {"se_stages": None}, 22.28)),
    # Tables 14 and 15.
    "placement": (
        PLAIN,
        *(
            Row(name, {"placement": name}, error)
            for name, error in (
                ("standard", 22.28),
                ("pre", 22.23),
                ("post", 22.78),
                ("identity", 22.20),
                ("3x3", 22.48),
            )
        ),
    ),
    # Table 16.
    "nosqueeze": (
        PLAIN,
        Row("no squeeze", {"squeeze": "none"}, 22.93),
        Row("SE", {"squeeze": "avg"}, 22.28),
    ),
}
# The row that the others of a study are compared with, where it is not the
# first: standard SE, from which the paper's Tables 11, 12, 14 and 15 start.
STANDARD = {"squeeze": "avg", "excitation": "sigmoid", "placement": "standard"}
# Table 13, of residual networks alone: what others call stage 2 is not that.
STAGE_ERRORS = {2: 23.03, 3: 23.04, 4: 22.68}


def rows_of(study: str, network: Network) -> tuple[Row, ...]:
    """The rows of a study of a network."""
    rows = STUDIES[study]
    if study != "stages":
        return rows
    errors = STAGE_ERRORS if network.family == "resnet" else {}
    stages = (
        Row(f"stage {stage}", {"se_stages": (stage,)}, errors.get(stage))
        for stage in network.stages
    )
    return (rows[0], *stages, rows[1])


def record(network: Network, options: dict, row: Row) -> Network:
    """The record of a row.

    Args:
        network: the network of the study, with SE.
        options: arguments of the constructor that all rows share.
        row: the row.

    Returns:
        A `Network`.

    Raises:
        ValueError: if the network can't be built so.
    """
    if row.options is None:
        return plain_twin(network)
    known = keywords(network)
    for key in row.options:
        if key not in known:
            raise ValueError(f"{network.title} has no `{key}`.")
    given = {key: value for key, value in options.items() if key in known}
    return variant(network, **{**given, **row.options})


def describe(network: Network, options: dict, row: Row) -> str:
    """What a row changes of the network, in words that files may be called."""
    if row.options is None:
        return "plain"
    before = record(network, options, Row("", {}, None)).se
    after = record(network, options, row).se
    changed = [
        f"{key}={value}".translate({ord(sign): None for sign in "(), "})
        for key, value in vars(after).items()
        if value != getattr(before, key)
    ]
    return "-".join(changed) or "se"


def network_of(
    network: Network, options: dict, row: Row
) -> tuple[str, dict[str, object]]:
    """The name in the registry and the arguments that a row is built by."""
    if row.options is None:
        plain = {k: v for k, v in options.items() if k not in SE_FIELDS}
        return plain_twin(network).name, plain
    return network.name, {**options, **row.options}
