"""What the SE blocks of a network do: gates per class, and top-1 without them.

Writes tables and pictures into a folder (the paper's section 7.2).
"""

import sys
from functools import partial

from keras_senet.commands.terminal import console, table


def configure(parser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "--model", required=True, help="a network's name, or a .keras file"
    )
    parser.add_argument(
        "--weights", help="tag or file (default: the network's own)"
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
        "--classes",
        nargs="+",
        metavar="NAME",
        help="classes to draw, such as goldfish or n01443537 (default: the "
        "first five)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=128,
        help="images computed at once (default: %(default)s)",
    )
    parser.add_argument(
        "--max-unreadable",
        type=int,
        default=0,
        help="damaged images to leave out (default: %(default)s)",
    )
    parser.add_argument("--out", required=True, help="folder to write into")


def run(args) -> int:
    """Writes the folder and prints a line per block."""
    from rich.progress import track

    from keras_senet.analysis.study import study
    from keras_senet.data.labelled import open_images
    from keras_senet.data.readable import leave_out
    from keras_senet.open import open_model
    from keras_senet.plots import check_matplotlib

    check_matplotlib()
    found = study(
        open_model(args.model, args.weights),
        leave_out(open_images(args.data, args.split), args.max_unreadable),
        args.out,
        args.classes,
        args.batch_size,
        partial(
            track,
            console=console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        ),
    )
    output = table(
        "block",
        ">channels",
        ">mean gate",
        ">near 0",
        ">near 1",
        ">correlation",
        ">of class",
        ">parameters",
        ">top-1 with mean gates",
        ">with gates of 1",
    )
    for row in found["blocks"]:
        output.add_row(
            row["block"],
            f"{row['channels']}",
            f"{row['mean']:.3f}",
            f"{row['closed']:.1%}",
            f"{row['open']:.1%}",
            f"{row['correlation']:.3f}",
            f"{row['class_share']:.3f}",
            f"{row['share']:.2%}",
            f"{100 * row['change_mean']:+.2f}",
            f"{100 * row['change_identity']:+.2f}",
        )
    terminal = console()
    terminal.print(output)
    for line in found["suggestions"]:
        terminal.print(line, highlight=False, markup=False)
    print(f"wrote {args.out}", file=sys.stderr)
    return 0
