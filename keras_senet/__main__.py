"""The command line: `python -m keras_senet` or `keras-senet`."""

import argparse
import json
import os
import sys


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: the words after the program's name, or `None` for those of
            the process.

    Returns:
        The exit status: 0, 1 if some images could not be read, or 2 if the
        command could not be carried out.
    """
    args = _parser().parse_args(arguments)
    try:
        return args.run(args)
    except (ValueError, ImportError) as error:
        print(f"keras-senet: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("keras-senet: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output (`head`) has gone; that is no failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="keras-senet",
        description="Squeeze-and-Excitation networks for Keras 3.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser(
        "list", help="the networks, what they cost, and weights at hand"
    )
    listing.add_argument(
        "pattern", nargs="?", default="*", help="such as 'se_*50*'"
    )
    listing.add_argument("--json", action="store_true", help="for a program")
    listing.set_defaults(run=_list)

    summary = commands.add_parser(
        "summary", help="one network: its stages, cost, and share of SE"
    )
    summary.add_argument("name", help="such as se_resnet50")
    summary.add_argument("--json", action="store_true", help="for a program")
    summary.set_defaults(run=_summary)

    predict = commands.add_parser("predict", help="classifies pictures")
    predict.add_argument("images", nargs="+", help="files and folders")
    predict.add_argument(
        "--model",
        default="se_resnet20",
        help="a network's name, or a .keras file (default: %(default)s)",
    )
    predict.add_argument(
        "--weights", help="tag or file (default: the network's own)"
    )
    predict.add_argument(
        "--top", type=int, default=5, help="classes per image (default: 5)"
    )
    predict.add_argument("--json", action="store_true", help="for a program")
    predict.set_defaults(run=_predict)
    return parser


def _version():
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("keras_senet")
    except PackageNotFoundError:
        return "not installed"


def _list(args):
    import keras_senet
    from keras_senet.analysis.cost import table
    from keras_senet.architectures.table import NETWORKS
    from keras_senet.weights import sources

    names = keras_senet.list_models(args.pattern)
    if not names:
        raise ValueError(
            f"No network matches {args.pattern!r}. Without a pattern, `list` "
            "shows all of them."
        )
    rows = [
        {
            "name": name,
            "title": NETWORKS[name].title,
            "parameters": table()[name]["parameters"],
            "multiply_adds": table()[name]["multiply_adds"],
            "input_size": NETWORKS[name].input_size,
            "weights": sources.tags(NETWORKS[name]),
        }
        for name in names
    ]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    output = _table("network", "", ">parameters", ">multiply-adds", ">input")
    output.add_column("weights")
    for row in rows:
        output.add_row(
            row["name"],
            row["title"],
            f"{row['parameters']:,}",
            f"{row['multiply_adds'] / 1e6:,.0f} M",
            f"{row['input_size']} px",
            ", ".join(row["weights"]) or "-",
        )
    _console().print(output)
    return 0


def _summary(args):
    from keras_senet.analysis.summary import summarize

    result = summarize(args.name)
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    console = _console()
    console.print(f"[bold]{result['title']}[/] ({result['name']})")
    for line in result["facts"]:
        console.print(f"  {line}", highlight=False)
    output = _table("part", "output", ">parameters", ">of SE", ">multiply-adds")
    for row in result["parts"]:
        output.add_row(
            row["part"],
            "x".join(map(str, row["output"])),
            f"{row['parameters']:,}",
            f"{row['se_parameters']:,}",
            f"{row['multiply_adds'] / 1e6:,.1f} M",
        )
    console.print(output)
    return 0


def _predict(args):
    if args.top < 1:
        raise ValueError(f"--top is {args.top}. Allowed: at least 1.")
    from rich.progress import track
    from rich.text import Text

    from keras_senet.data.images import ImageError, find_images
    from keras_senet.prediction import open_model, predict_files

    paths = find_images(args.images)
    model = open_model(args.model, args.weights)
    results = track(
        predict_files(model, paths, args.top),
        "classifying",
        total=len(paths),
        console=_console(stderr=True),
        transient=True,
        disable=len(paths) < 2 or not sys.stderr.isatty(),
    )
    rows, failed = [], 0
    output = _table("image", "class", ">score")
    for path, result in results:
        if isinstance(result, ImageError):
            failed += 1
            rows.append({"image": str(path), "error": str(result)})
            continue
        keys = ("id", "name", "score")
        rows.append(
            {
                "image": str(path),
                "predictions": [
                    dict(zip(keys, one, strict=True)) for one in result
                ],
            }
        )
        for rank, (_, name, score) in enumerate(result):
            output.add_row(
                Text("" if rank else str(path)),
                Text(str(name)),
                f"{score:.1%}",
                end_section=rank == len(result) - 1,
            )
    if args.json:
        print(json.dumps(rows, indent=2))
    elif output.row_count:
        _console().print(output)
    for row in rows:
        if "error" in row:
            print(f"keras-senet: {row['error']}", file=sys.stderr)
    if failed:
        print(
            f"keras-senet: {failed} of {len(paths)} images could not be read",
            file=sys.stderr,
        )
    return 1 if failed else 0


def _console(stderr=False):
    from rich.console import Console

    console = Console(stderr=stderr)
    if not console.is_terminal:
        # Into a file or a pipe: lines are not folded at 80 columns.
        console = Console(stderr=stderr, width=200)
    return console


def _table(*columns):
    """A table; a column whose name starts with > is set flush right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(
            column.removeprefix(">"),
            justify="right" if column.startswith(">") else "left",
            overflow="fold",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
