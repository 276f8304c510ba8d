"""One network: its stages, what they cost, and the share of SE."""

import json

from keras_senet.commands.terminal import console, table


def configure(parser) -> None:
    """Adds the arguments."""
    parser.add_argument("name", help="such as se_resnet50")
    parser.add_argument(
        "--weights", metavar="TAG", help="the graph of these weights"
    )
    parser.add_argument("--json", action="store_true", help="for a program")


def run(args) -> int:
    """Prints the facts and the table of parts."""
    from keras_senet.analysis.summary import summarize

    result = summarize(args.name, args.weights)
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    terminal = console()
    terminal.print(f"[bold]{result['title']}[/] ({result['name']})")
    for line in result["facts"]:
        terminal.print(f"  {line}", highlight=False)
    output = table("part", "output", ">parameters", ">of SE", ">multiply-adds")
    for row in result["parts"]:
        output.add_row(
            row["part"],
            "x".join(map(str, row["output"])),
            f"{row['parameters']:,}",
            f"{row['se_parameters']:,}",
            f"{row['multiply_adds'] / 1e6:,.1f} M",
        )
    terminal.print(output)
    return 0
