"""Trains a pretrained network on classes of your own.

By default 15 epochs, the first three for the classifier alone, in steps of 32
images at a rate from 0.01 to zero. Every field of a training config is an
option too (keras-senet train --fields).
Run again, the same command goes on where it was interrupted.
"""

from keras_senet.commands.terminal import report


def configure(parser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "data",
        help="photos: folder:PATH (a folder per class, or train/ and val/ with "
        "these), or tfds:NAME",
    )
    parser.add_argument("--out", required=True, help="the run's folder")
    parser.add_argument(
        "--model", default="se_resnet50", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--weights",
        default="imagenet",
        help="tag or file to start from, or none (default: %(default)s)",
    )
    parser.set_defaults(takes_fields=True)


def run(args) -> int:
    """Trains, and prints the result and where the pictures are."""
    from keras_senet.training import finetune
    from keras_senet.training.config import parse_fields

    weights = None if args.weights.lower() == "none" else args.weights
    fields = parse_fields(args.fields_given)
    status = report(
        lambda: finetune(args.data, args.out, args.model, weights, **fields),
        args.out,
    )
    if not status:
        print(
            f"What it confuses: {args.out}/confusion.png, mistakes.png and "
            "mistakes.csv"
        )
    return status
