"""The networks, what they cost, and the weights at hand."""

import json

from keras_senet.commands.terminal import console, table


def configure(parser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "pattern", nargs="?", default="*", help="such as 'se_*50*'"
    )
    parser.add_argument(
        "--weights",
        action="store_true",
        help="the published weights instead: where from, how verified, "
        "how accurate",
    )
    parser.add_argument("--json", action="store_true", help="for a program")


def run(args) -> int:
    """Prints the table."""
    import keras_senet

    names = keras_senet.list_models(args.pattern)
    if not names:
        raise ValueError(
            f"No network matches {args.pattern!r}. Without a pattern, `list` "
            "shows all of them."
        )
    rows, show = (
        (_weights(names), _show_weights)
        if args.weights
        else (_networks(names), _show_networks)
    )
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        console().print(show(rows))
    return 0


def _networks(names):
    from keras_senet.analysis.cost import table as costs
    from keras_senet.architectures.table import NETWORKS
    from keras_senet.weights import sources

    return [
        {
            "name": name,
            "title": NETWORKS[name].title,
            "parameters": costs()[name]["parameters"],
            "multiply_adds": costs()[name]["multiply_adds"],
            "input_size": NETWORKS[name].input_size,
            "weights": sources.tags(NETWORKS[name]),
        }
        for name in names
    ]


def _show_networks(rows):
    output = table("network", "", ">parameters", ">multiply-adds", ">input")
    output.add_column("weights", overflow="fold")
    for row in rows:
        output.add_row(
            row["name"],
            row["title"],
            f"{row['parameters']:,}",
            f"{row['multiply_adds'] / 1e6:,.0f} M",
            f"{row['input_size']} px",
            ", ".join(row["weights"]) or "-",
        )
    return output


def _weights(names):
    from keras_senet.weights import sources

    return [
        _row(source)
        for name in names
        for source in sources.SOURCES
        if source.network.name == name
    ]


def _row(source):
    from keras_senet.architectures.table import NETWORKS
    from keras_senet.weights import sources, store

    row = {
        "network": source.network.name,
        "tag": source.tag,
        "top1": (source.published or source.measured)["top1"],
        "top5": (source.published or {}).get("top5"),
        "input_size": source.input_size,
        "crop": source.crop,
        "interpolation": source.interpolation,
        "graph": sources.differences(
            NETWORKS[source.network.name], source.network, sources.GEOMETRY
        ),
        "verified_by": "shipped with the package",
        "file": str(source.file),
        "licence": source.licence,
        "origin": source.origin,
        "citation": source.citation,
    }
    if source.shipped:
        return row
    remote = source.file
    digest = f"{remote.algorithm}:{remote.digest}" if remote.digest else None
    return {
        **row,
        "verified_by": store.trust(remote),
        "file": remote.file,
        "url": store.published_url(remote),
        "size": remote.size,
        "hash": digest,
    }


def _show_weights(rows):
    output = table(
        "network", "tag", ">top-1", ">size", "licence", "verified by"
    )
    output.add_column("graph", overflow="fold")
    output.add_column("origin", overflow="fold")
    for row in rows:
        output.add_row(
            row["network"],
            row["tag"],
            f"{row['top1']:.2%}",
            f"{row['input_size']}",
            row["licence"],
            row["verified_by"],
            row["graph"] or "-",
            row["origin"],
        )
    return output
