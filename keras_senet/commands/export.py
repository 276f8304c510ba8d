"""Writes a network as a file for phones or another runtime.

LiteRT files (--format litert) take pixels and have their labels inside. Beside
them are written NAME.labels.txt, and NAME.json with all that is known of the
file.
"""

import re
import sys

from keras_senet.classifier import PRECISIONS
from keras_senet.commands.terminal import size

# The options by the arguments of `keras_senet.export`, which its errors name.
OPTIONS = {
    "path": "--out",
    "format": "--format",
    "precision": "--precision",
    "calibration_data": "--calibrate",
    "images": "--images",
    "labels": "--labels",
    "image_size": "--image-size",
    "size": "--image-size",
    "float_gates": "--float-gates",
    "check": "--check",
}


def configure(parser) -> None:
    """Adds the arguments."""
    from keras_senet.export import FORMATS

    parser.add_argument(
        "--model", required=True, help="a network's name, or a .keras file"
    )
    parser.add_argument(
        "--weights", help="tag or file (default: the network's own)"
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="the file to write"
    )
    parser.add_argument(
        "--format",
        default="litert",
        choices=FORMATS,
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        default="float32",
        choices=PRECISIONS,
        help="of a LiteRT file (default: %(default)s)",
    )
    parser.add_argument(
        "--calibrate",
        metavar="DIR",
        help="for int8: folder of a hundred images or more, like those to come",
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="folder of images on which file and network are compared "
        "(default: those of --calibrate, else noise)",
    )
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="names of the classes, one a line (default: the network's)",
    )
    parser.add_argument(
        "--image-size",
        type=size,
        metavar="PIXELS",
        help="of an image, or HEIGHTxWIDTH (default: the network's)",
    )
    parser.add_argument(
        "--float-gates",
        action="store_true",
        help="for int8: the SE gates in float32, where 8 bits hurt them",
    )
    parser.add_argument(
        "--check",
        type=float,
        metavar="PART",
        help="fail, and write nothing, if file and network name the same class "
        "for less than this part of the images (of --images or --calibrate), "
        "such as 0.99",
    )


def run(args) -> int:
    """Writes the file and prints what is known of it."""
    from keras_senet.data.pipeline import check_size
    from keras_senet.export import AgreementError, export
    from keras_senet.open import open_model

    options = {}
    if args.format == "litert":
        options = {
            "precision": args.precision,
            "calibration_data": args.calibrate,
            "float_gates": args.float_gates,
        }
    elif (args.precision, args.calibrate, args.float_gates) != (
        "float32",
        None,
        False,
    ):
        raise ValueError(
            "--precision, --calibrate and --float-gates are for --format "
            f"litert, and it is {args.format}. Leave them out."
        )
    try:
        sides = args.image_size
        sides = None if sides is None else check_size(sides)
        model = open_model(args.model, args.weights, sides)
        report = export(
            model,
            args.out,
            format=args.format,
            images=args.images,
            image_size=sides,
            check=args.check,
            labels=args.labels,
            **options,
        )
    except AgreementError as error:
        print(f"keras-senet: {with_options(str(error))}", file=sys.stderr)
        return 1
    except ValueError as error:
        raise ValueError(with_options(str(error))) from error
    print(f"{args.out}\n{report}")
    return 0


def with_options(message: str) -> str:
    """Returns an error with options in the place of Python's arguments.

    Args:
        message: that of an error of `keras_senet.export`.

    Returns:
        The message as the command line says it.
    """
    names = "|".join(OPTIONS)
    # `precision`, precision='int8', and float_gates=True or alone.
    named = re.compile(
        rf"`({names})`|\b({names})=(?:True|'?([\w.]+)'?)|\b(float_gates)\b"
    )

    def option(found):
        name = OPTIONS[found[1] or found[2] or found[4]]
        return f"{name} {found[3]}" if found[3] else name

    return named.sub(option, message)
