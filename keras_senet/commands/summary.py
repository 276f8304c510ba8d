"""A network or saved model: its stages, their cost, and the share of SE."""

import json

from keras_senet.commands.terminal import console, table


def configure(parser) -> None:
    """Adds the arguments."""
    parser.add_argument("name", help="such as se_resnet50, or a .keras file")
    parser.add_argument(
        "--weights", metavar="TAG", help="the graph of these weights"
    )
    parser.add_argument(
        "--layers", action="store_true", help="every layer, not every stage"
    )
    parser.add_argument("--json", action="store_true", help="for a program")


def run(args) -> int:
    """Prints the facts and the table of stages or layers."""
    from rich.markup import escape

    from keras_senet.analysis.summary import summarize

    result = summarize(args.name, args.weights)
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    terminal = console()
    title, name = escape(result["title"]), escape(result["name"])
    terminal.print(f"[bold]{title}[/] ({name})")
    for line in result["facts"]:
        terminal.print(f"  {line}", highlight=False, markup=False)
    terminal.print(
        _table(result["layers"], "name")
        if args.layers
        else _table(result["parts"], "stage")
    )
    return 0


def _table(rows, key):
    """The counts; of the plain twin in brackets where it differs."""
    from rich.markup import escape

    output = table(
        key,
        "output",
        ">parameters",
        ">of SE",
        ">multiply-adds",
        ">of SE",
        ">activations",
    )
    for row in rows:
        output.add_row(
            escape(row[key]),
            "x".join(map(str, row["output"])),
            _beside(row, "parameters"),
            f"{row['se_parameters']:,}",
            _beside(row, "multiply_adds"),
            f"{row['se_multiply_adds']:,}",
            _beside(row, "activations"),
        )
    return output


def _beside(row, column):
    here = f"{row[column]:,}"
    plain = row.get("plain")
    if not plain or plain[column] == row[column]:
        return here
    return f"{here} ({plain[column]:,})"
