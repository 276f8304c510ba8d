"""The networks, what they cost, and the weights at hand."""

import json
from fnmatch import fnmatchcase

from keras_senet.commands.terminal import console, table


def configure(parser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "pattern",
        nargs="?",
        default="*",
        help="of names or titles, such as 'se_*50*' or 'SE-ResNet*'",
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
    names = _matching(args.pattern)
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
    if not rows:
        raise ValueError(
            f"No weights of the networks that match {args.pattern!r}, or of "
            "their plain twins, were ever published."
        )
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        console().print(show(rows))
    return 0


def _matching(pattern):
    from keras_senet.architectures.table import NETWORKS

    return [
        name
        for name, network in NETWORKS.items()
        if fnmatchcase(name, pattern.lower())
        or fnmatchcase(network.title.lower(), pattern.lower())
    ]


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
    # The titles are left out where they would fold the columns beside them.
    wide = console().width >= 100
    titles = ("network", "") if wide else ("network",)
    output = table(*titles)
    for title in ("parameters", "multiply-adds", "input"):
        output.add_column(title, justify="right", no_wrap=True)
    output.add_column("weights", overflow="fold")
    for row in rows:
        output.add_row(
            *((row["name"], row["title"]) if wide else (row["name"],)),
            f"{row['parameters']:,}",
            f"{row['multiply_adds'] / 1e6:,.0f} M",
            f"{row['input_size']} px",
            ", ".join(row["weights"]) or "-",
        )
    return output


def _weights(names):
    from keras_senet.architectures.table import NETWORKS
    from keras_senet.weights import sources

    rows = []
    for name in names:
        network = NETWORKS[name]
        rows += [_row(s) for s in sources.SOURCES if s.network.name == name]
        # The plain twin's, which are no row of the table.
        if sources.BACKBONE in sources.tags(network):
            rows.append(_row(sources.find(network, sources.BACKBONE)))
    return rows


def _row(source):
    from keras_senet.architectures.table import NETWORKS
    from keras_senet.weights import sources, store

    row = {
        "network": source.network.name,
        "tag": source.tag,
        "top1": (source.published or source.measured or {}).get("top1"),
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
    output = table("network")
    output.add_column("tag", no_wrap=True)
    output.add_column("top-1", justify="right", no_wrap=True)
    output.add_column("size", justify="right", no_wrap=True)
    output.add_column("verified by", overflow="fold")
    wide = console().width >= 150
    if wide:
        output.add_column("licence", no_wrap=True)
        output.add_column("graph", overflow="fold")
        output.add_column("origin", overflow="fold")
    else:
        output.caption = (
            "licence, graph and origin: a wider terminal, or --json"
        )
    for row in rows:
        cells = [
            row["network"],
            row["tag"],
            "-" if row["top1"] is None else f"{row['top1']:.2%}",
            f"{row['input_size']}",
            row["verified_by"],
        ]
        if wide:
            cells += [row["licence"], row["graph"] or "-", row["origin"]]
        output.add_row(*cells)
    return output
