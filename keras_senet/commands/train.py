"""Trains a network as a file of configs/ says, or goes on with a run.

Every field of the config is an option too: --model se_resnet50 --epochs 20.
With several machines the same command runs on each, with TF_CONFIG set.
"""

import inspect
import re
import textwrap
from pathlib import Path

from keras_senet.commands.terminal import report


def configure(parser) -> None:
    """Adds the arguments."""
    parser.add_argument("--config", metavar="FILE", help="a file of configs/")
    parser.add_argument(
        "--fields", action="store_true", help="print the fields and stop"
    )
    parser.set_defaults(takes_fields=True)


def run(args) -> int:
    """Trains, and prints the result."""
    import dataclasses

    from keras_senet.training import TrainConfig, load_config, train

    if args.fields:
        print(_options(TrainConfig.__doc__))
        return 0
    config = load_config(args.config, args.fields_given)
    if not config.out:
        stem = Path(args.config).stem if args.config else "run"
        name = f"{stem}-{config.model}-seed{config.seed}"
        config = dataclasses.replace(config, out=f"runs/{name}")
    return report(lambda: train(config), config.out)


def _options(docstring):
    """The fields as they are written on the command line."""
    _, fields = inspect.cleandoc(docstring).split("Attributes:\n")
    fields, *_ = fields.split("\n\nRaises:")
    return re.sub(
        r"^(\w+):",
        lambda match: f"--{match[1].replace('_', '-')}:",
        textwrap.dedent(fields).replace("`", ""),
        flags=re.MULTILINE,
    )
