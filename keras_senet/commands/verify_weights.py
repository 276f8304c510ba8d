"""Downloads published weights, verifies them, and scores them on images.

Prints the accuracy that was measured beside the one that was published. Needs
--data for that: a folder of ImageNet's validation images, FOLDER/<wnid>/*.JPEG.
"""

import json
import sys

from keras_senet.commands.terminal import console, table


def configure(parser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "pattern", nargs="?", default="*", help="networks, such as 'se_*50*'"
    )
    parser.add_argument("--tag", help="these weights alone (default: all)")
    parser.add_argument(
        "--data", help="folder of images, one folder per WordNet id"
    )
    parser.add_argument("--json", action="store_true", help="for a program")


def run(args) -> int:
    """Prints a row for every file, good or bad."""
    import keras_senet
    from keras_senet.verification import find_labelled, verify
    from keras_senet.weights.sources import SOURCES

    names = set(keras_senet.list_models(args.pattern))
    rows = [
        source
        for source in SOURCES
        if source.network.name in names and args.tag in (None, source.tag)
    ]
    if not rows:
        raise ValueError(
            f"No weights match {args.pattern!r}"
            f"{f' and the tag {args.tag!r}' if args.tag else ''}. "
            "`keras-senet list --weights` shows all of them."
        )
    images = find_labelled(args.data) if args.data else None
    results = []
    for source in rows:
        print(
            f"{source.network.name} {source.tag} …", file=sys.stderr, flush=True
        )
        results.append(verify(source, images))
    if args.json:
        print(json.dumps(results, indent=2))
    else:
        console().print(_show(results))
        for row in results:
            if row["error"]:
                print(f"keras-senet: {row['error']}", file=sys.stderr)
    for source in rows:
        if images and source.network.dataset != "imagenet":
            print(
                f"keras-senet: {source.network.name} {source.tag} is not "
                f"scored: its classes are {source.network.dataset}'s, and "
                "--data has ImageNet's.",
                file=sys.stderr,
            )
    return 1 if any(row["error"] for row in results) else 0


def _show(results):
    output = table("network", "tag", "result")
    for title in ("published", "measured", "images"):
        output.add_column(title, justify="right")
    for row in results:
        scores = [row["published"], row["measured"]]
        output.add_row(
            row["network"],
            row["tag"],
            "FAILED" if row["error"] else "loaded",
            *("-" if score is None else f"{score:.2%}" for score in scores),
            str(row["images"] or "-"),
        )
    return output
