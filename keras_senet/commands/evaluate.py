"""Measures top-1 and top-5 accuracy on labelled images.

Several --model are an ensemble, whose probabilities are averaged.
"""

import json
import sys
from fractions import Fraction
from functools import partial

from keras_senet.commands.terminal import console, size, table


def configure(parser) -> None:
    """Adds the arguments."""
    from keras_senet.evaluation.views import VIEWS
    from keras_senet.training import STRATEGIES

    parser.add_argument(
        "--model",
        action="append",
        help="a network's name, or a .keras file; several are an ensemble",
    )
    parser.add_argument(
        "--tflite", metavar="FILE", help="a LiteRT file, in place of --model"
    )
    parser.add_argument(
        "--weights",
        action="append",
        help="tag or file, one per --model (default: the network's own)",
    )
    parser.add_argument(
        "--data",
        required=True,
        help="folder:PATH with a folder per class, or tfds:NAME",
    )
    parser.add_argument(
        "--split",
        help="(default: validation, or all of a folder without splits)",
    )
    parser.add_argument(
        "--views",
        default="center",
        choices=VIEWS,
        help="crops that are averaged over (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=size,
        metavar="PIXELS",
        help="of a crop, or HEIGHTxWIDTH (default: the model's)",
    )
    parser.add_argument(
        "--crop",
        type=_fraction,
        help="part of the short side that a crop keeps, such as 0.875 or "
        "299/352 (default: the model's)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=32,
        help="crops that a device computes at once (default: %(default)s)",
    )
    parser.add_argument(
        "--csv", metavar="FILE", help="write the accuracy of every class"
    )
    parser.add_argument(
        "--max-unreadable",
        type=int,
        default=0,
        help="damaged images to leave out (default: %(default)s)",
    )
    parser.add_argument(
        "--strategy",
        default="auto",
        choices=STRATEGIES,
        help="devices to divide the images among (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="for a program")


def _fraction(text):
    return float(Fraction(text))


def run(args) -> int:
    """Prints what was found; of several workers the first does."""
    from rich.progress import track
    from rich.text import Text

    from keras_senet.distribution import make_strategy, part_of
    from keras_senet.evaluation import evaluate
    from keras_senet.evaluation.evaluator import check_backend

    if (args.model is None) == (args.tflite is None):
        raise ValueError("Give either --model or --tflite.")
    if args.tflite is not None:
        args.model = [args.tflite]
        if not args.tflite.endswith(".tflite"):
            raise ValueError(
                f"--tflite is {args.tflite!r}. Allowed: a name that ends in "
                ".tflite."
            )
    check_backend()
    strategy = make_strategy(args.strategy)
    result = evaluate(
        args.model,
        args.data,
        args.split,
        weights=args.weights,
        views=args.views,
        size=args.size,
        crop=args.crop,
        batch_size=args.batch_size,
        csv=args.csv,
        strategy=strategy,
        max_unreadable=args.max_unreadable,
        track=partial(
            track,
            description="evaluating",
            console=console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        ),
    )
    if part_of(strategy)[0] > 0:
        return 0
    if args.json:
        facts = {
            "model": args.model,
            "data": args.data,
            "split": args.split,
            "views": args.views,
            "images": result.images,
            "loss": result.loss,
            "top1": result.top1,
            "top5": result.top5,
        }
        print(json.dumps(facts, indent=2))
        return 0
    output = table("model", "views", ">images", ">top-1", ">top-5", ">loss")
    output.add_row(
        Text("\n".join(args.model)),
        args.views,
        f"{result.images:,}",
        f"{result.top1:.2%}",
        f"{result.top5:.2%}",
        f"{result.loss:.4f}",
    )
    console().print(output)
    return 0
