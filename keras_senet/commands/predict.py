"""Classifies pictures."""

import json
import sys

from keras_senet.classifier import Classifier
from keras_senet.commands.terminal import console, table
from keras_senet.engines import ENGINES


def configure(parser) -> None:
    """Adds the arguments."""
    parser.add_argument("images", nargs="+", help="files and folders")
    parser.add_argument(
        "--model",
        help="a network's name, or a .keras file (default: se_resnet20)",
    )
    parser.add_argument(
        "--tflite", metavar="FILE", help="a LiteRT file, in place of --model"
    )
    parser.add_argument(
        "--weights", help="tag or file (default: the network's own)"
    )
    parser.add_argument(
        "--top", type=int, default=5, help="classes per image (default: 5)"
    )
    parser.add_argument(
        "--engine",
        default="auto",
        choices=ENGINES,
        help="auto is LiteRT on a CPU, where it is installed (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--threads", type=int, help="of LiteRT (default: one per core)"
    )
    parser.add_argument(
        "--int8",
        metavar="FOLDER",
        help="in 8 bits, calibrated on a folder of a hundred images or more",
    )
    parser.add_argument("--json", action="store_true", help="for a program")


def _precision(args):
    if args.int8 is None:
        return {}
    return {"precision": "int8", "calibration_data": args.int8}


def run(args) -> int:
    """Prints the classes of every image, and what could not be read."""
    if args.top < 1:
        raise ValueError(f"--top is {args.top}. Allowed: at least 1.")
    if args.model is not None and args.tflite is not None:
        raise ValueError("Give either --model or --tflite.")
    model = "se_resnet20" if args.model is None else args.model
    if args.tflite is not None:
        model = args.tflite
        if not model.endswith(".tflite"):
            raise ValueError(
                f"--tflite is {model!r}. Allowed: a name that ends in .tflite."
            )
    from rich.progress import track
    from rich.text import Text

    from keras_senet.data.images import ImageError, find_images

    paths = find_images(args.images)
    classifier = Classifier(
        model,
        args.weights,
        engine=args.engine,
        threads=args.threads,
        **_precision(args),
    )
    results = track(
        classifier.predict_files(paths, args.top),
        "classifying",
        total=len(paths),
        console=console(stderr=True),
        transient=True,
        disable=len(paths) < 2 or not sys.stderr.isatty(),
    )
    rows, failed = [], 0
    output = table("image", "class", ">score")
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
        console().print(output)
    for row in rows:
        if "error" in row:
            print(f"keras-senet: {row['error']}", file=sys.stderr)
    if failed:
        print(
            f"keras-senet: {failed} of {len(paths)} images could not be read",
            file=sys.stderr,
        )
    return 1 if failed else 0
