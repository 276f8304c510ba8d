"""One network in words and numbers, for the command line."""

import csv
import dataclasses
import math
import re
from importlib import resources

from keras_senet.analysis.cost import complexity, layer_multiply_adds, table
from keras_senet.applications import create_model, find_network
from keras_senet.architectures.table import Network, plain_twin
from keras_senet.architectures.variants import keywords
from keras_senet.layers import SqueezeExcite
from keras_senet.weights import sources

# The word that the names of a part's layers begin with: conv2, block17,
# inception_4, mixed_5b, …
PART = re.compile(r"inception_\d|mixed_\w\w|conv_7b|[a-z]+\d*")
HEAD = ("post", "avg", "flatten", "fc1", "fc2", "predictions")
HEAD = (*HEAD, "dropout", "dropout1", "dropout2")


def published_errors() -> dict[str, dict[str, str]]:
    """Returns the errors that the paper prints, in percent.

    Returns:
        Network name -> `top1_error`, `top5_error` (empty where none is
        printed) and `source`, the number of the table.
    """
    path = resources.files("keras_senet").joinpath("analysis/published.csv")
    rows = csv.DictReader(path.read_text().splitlines())
    return {row.pop("network"): row for row in rows}


def summarize(name: str, weights: str | None = None) -> dict:
    """Describes a network of the registry.

    Args:
        name: name in the registry, such as `"se_resnet50"`.
        weights: tag of weights, whose graph may stride and pool in other
            places, or `None` for the network as it is by default. Defaults to
            `None`.

    Returns:
        Dictionary of `name`, `title`, `facts` (sentences), the counts, and
        `parts`: per part of the network its output shape, parameters, those
        of SE, and multiply-adds.

    Raises:
        ValueError: if there is no such network.
    """
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
        "parts": _parts(model),
    }


def _facts(network: Network, counts, weights):
    size = network.input_size
    facts = [
        f"{counts['parameters']:,} trainable parameters, "
        f"{counts['multiply_adds'] / 1e9:.3f} G multiply-adds at {size}x{size}",
    ]
    if network.se:
        more = counts["se_parameters"] / (
            counts["parameters"] - counts["se_parameters"]
        )
        work = counts["se_multiply_adds"] / (
            counts["multiply_adds"] - counts["se_multiply_adds"]
        )
        facts.append(
            f"SE adds {counts['se_parameters']:,} parameters (+{more:.1%}) and "
            f"{work:.2%} multiply-adds to {plain_twin(network).name}"
        )
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


def _graph(network, source):
    """What a tag brings that the network does not have by default."""
    words = sources.differences(
        network, source.network, (*sources.GEOMETRY, "output_scale")
    )
    return f"; brings {words}" if words else ""


def _parts(model):
    """The counts of the layers whose names begin alike (`conv2_…`)."""
    rows = {}
    for layer in model.layers:
        part = PART.match(layer.name).group()
        if part in HEAD:
            part = "head"
        row = rows.setdefault(
            part, {"parameters": 0, "se_parameters": 0, "multiply_adds": 0}
        )
        count = layer.count_params() - sum(
            math.prod(v.shape) for v in layer.non_trainable_variables
        )
        # The layers come in the order of the computation.
        row["output"] = list(layer.output.shape[1:])
        row["parameters"] += count
        row["se_parameters"] += isinstance(layer, SqueezeExcite) * count
        row["multiply_adds"] += layer_multiply_adds(layer)
    return [{"part": part, **row} for part, row in rows.items()]
