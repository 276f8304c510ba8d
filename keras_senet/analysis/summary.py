"""A network or saved model in words and numbers, for the command line."""

import csv
import dataclasses
from importlib import resources
from pathlib import Path

from keras_senet.analysis.cost import (
    complexity,
    layer_costs,
    stage_costs,
    table,
)
from keras_senet.applications import create_model, find_network
from keras_senet.architectures.table import Network, plain_twin
from keras_senet.architectures.variants import keywords
from keras_senet.layers import SqueezeExcite
from keras_senet.open import read_model
from keras_senet.weights import sources


def published_errors() -> dict[str, dict[str, str]]:
    """Returns the errors and costs that the paper prints.

    Returns:
        Network name -> `top1_error` and `top5_error` in percent,
        `giga_multiply_adds` and `mega_parameters` as printed (each empty where
        none is) and `source`, the number of the table.
    """
    path = resources.files("keras_senet").joinpath("analysis/published.csv")
    rows = csv.DictReader(path.read_text().splitlines())
    return {row.pop("network"): row for row in rows}


def summarize(name: str | Path, weights: str | None = None) -> dict:
    """Describes a network of the registry, or a saved model.

    Args:
        name: name in the registry, such as `"se_resnet50"`, or the path of a
            `.keras` file. Its model may be any functional one.
        weights: tag of weights, whose graph may stride and pool in other
            places, or `None` for the network as it is by default. Defaults to
            `None`.

    Returns:
        Dictionary of `name`, `title`, `facts` (sentences), the fields of
        `Complexity`; `parts`, what `stage_costs` gives per stage, and
        `layers`, what `layer_costs` gives per layer, both with the counts of
        the `plain` twin if the model has SE blocks (`None` where it lacks
        the layer).

    Raises:
        ValueError: if there is no such network or file, or the size of the
            file's images is not fixed.

    Example:

    >>> summarize("se_resnet20")["se_parameters"]
    2373
    """
    if str(name).endswith(".keras"):
        return _summarize_file(name, weights)
    network = find_network(name)
    name = network.name
    counts = table()[name]
    changes = {}
    if weights is not None:
        network = sources.find(network, weights).network
        changes = {
            key: getattr(network, key)
            for key in sources.GEOMETRY
            if key in keywords(network)
        }
    model = create_model(name, weights=None, **changes)
    if changes:
        counts = dataclasses.asdict(complexity(model))
    return {
        "name": name,
        "title": network.title,
        "facts": _facts(network, counts, weights),
        **counts,
        **_counts_of(model),
    }


def _summarize_file(path, weights):
    if weights is not None:
        raise ValueError(
            f"{path} holds its own weights; weights={weights!r} have no part "
            "in it. Leave one of them out."
        )
    model = read_model(path)
    counts = dataclasses.asdict(complexity(model))
    shape = "x".join(str(size) for size in model.input_shape[1:])
    facts = _counted(counts, shape, "the plain network")
    card = getattr(model, "card", None)
    if card is not None:
        facts.append(f"of the network {card.network}")
        if card.changed():
            facts[-1] += f", with {card.changed()}"
    return {
        "name": Path(path).name,
        "title": card.title if card else model.name,
        "facts": facts,
        **counts,
        **_counts_of(model),
    }


def _counts_of(model):
    """The counts of stages and layers, with those of the plain twin."""
    layers = layer_costs(model)
    # The same layers, but for the blocks.
    plain = [row for row in layers if row.kind != SqueezeExcite.__name__]
    parts, rows = stage_costs(layers), list(map(dataclasses.asdict, layers))
    if len(plain) < len(layers):
        _put_beside(parts, stage_costs(plain), "stage")
        _put_beside(rows, list(map(dataclasses.asdict, plain)), "name")
    return {"parts": parts, "layers": rows}


def _put_beside(rows, plain, key):
    """Gives each row the counts of its namesake in the plain twin."""
    there = {row[key]: row for row in plain}
    columns = ("parameters", "multiply_adds", "element_sums", "activations")
    for row in rows:
        twin = there.get(row[key])
        row["plain"] = twin and {column: twin[column] for column in columns}


def _counted(counts, size, twin):
    """What was counted, in sentences."""
    facts = [
        f"{counts['parameters']:,} parameters without moving statistics, "
        f"{counts['multiply_adds'] / 1e9:.3f} G multiply-adds at {size}",
        f"{counts['activations'] / 1e6:.2f} M activations, "
        f"{counts['activation_bytes'] / 2**20:.1f} MiB an image if all are "
        f"kept for gradients; {counts['peak_bytes'] / 2**20:.1f} MiB at once "
        "in inference (no operation fused or in place)",
    ]
    if counts["se_parameters"]:
        biases = counts["se_parameters"] - counts["equation_5"]
        more = counts["se_parameters"] / (
            counts["parameters"] - counts["se_parameters"]
        )
        work = counts["se_multiply_adds"] / (
            counts["multiply_adds"] - counts["se_multiply_adds"]
        )
        facts.append(
            f"SE adds {counts['se_parameters']:,} parameters (+{more:.1%}) and "
            f"{work:.2%} multiply-adds to {twin}; "
            f"{counts['equation_5']:,} of the parameters are Eq. 5 "
            f"(2/r * sum of N C²), {biases:,} biases and rounding"
        )
    return facts


def _facts(network: Network, counts, weights):
    size = network.input_size
    facts = _counted(counts, f"{size}x{size}", plain_twin(network).name)
    if network.se:
        se = network.se
        facts.append(
            f"reduction {se.reduction}, squeeze {se.squeeze}, excitation "
            f"{se.excitation}, biases {'on' if se.se_bias else 'off'}"
        )
    if network.block == "bottleneck" and network.family == "resnet":
        border = {"ceil": "rounds its size up", "padded": "pads both sides"}
        facts.append(
            f"strides in the {network.stride_on} convolution; the stem's max "
            f"pool {border[network.pool]}"
        )
    errors = published_errors().get(network.name)
    if errors:
        top5 = errors["top5_error"]
        facts.append(
            f"error in the paper ({errors['source']}): top-1 "
            f"{errors['top1_error']} %{f', top-5 {top5} %' if top5 else ''}"
        )
        facts += _printed_cost(errors, counts)
    for tag in [weights] if weights else sources.tags(network):
        source = sources.find(network, tag)
        accuracy = source.published or source.measured
        facts.append(
            f'weights "{tag}": '
            + (f"top-1 {accuracy['top1']:.2%}, " if accuracy else "")
            + f"{source.origin}"
            + _graph(network, source)
        )
    return facts


def _printed_cost(errors, counts):
    """What the paper prints beside what was counted as it counts."""
    giga = errors["giga_multiply_adds"]
    if not giga:
        return []
    counted = (counts["multiply_adds"] + counts["element_sums"]) / 1e9
    digits = len(giga.partition(".")[2])
    return [
        f"the paper ({errors['source']}) prints {giga} G, which has the sums "
        f"of residual additions and global pools in it: {counted:.{digits}f} G "
        "counted so"
    ]


def _graph(network, source):
    """What a tag brings that the network does not have by default."""
    words = sources.differences(
        network, source.network, (*sources.GEOMETRY, "output_scale")
    )
    return f"; brings {words}" if words else ""
