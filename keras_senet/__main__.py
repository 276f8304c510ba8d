"""The command line: `python -m keras_senet` or `keras-senet`."""

import argparse
import os
import sys

from keras_senet.commands import (
    convert,
    evaluate,
    excitations,
    export,
    finetune,
    list_networks,
    predict,
    summary,
    train,
    verify_weights,
)

# One module a command: `configure(parser)` and `run(arguments)`.
COMMANDS = {
    "list": list_networks,
    "summary": summary,
    "predict": predict,
    "train": train,
    "finetune": finetune,
    "evaluate": evaluate,
    "export": export,
    "excitations": excitations,
    "convert": convert,
    "verify-weights": verify_weights,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: the words after the program's name, or `None` for those of
            the process.

    Returns:
        The exit status: 0, 1 if a part of the work failed (images that could
        not be read, weights that are not what was published), or 2 if the
        command could not be carried out.
    """
    try:
        return _carry_out(arguments)
    except KeyboardInterrupt:
        print("keras-senet: interrupted", file=sys.stderr)
        return 130


def _carry_out(arguments):
    parser = _parser()
    args, rest = parser.parse_known_args(arguments)
    if rest and not hasattr(args, "takes_fields"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.fields_given = rest
    try:
        status = args.run(args)
        if sys.stdout:
            sys.stdout.flush()
        return status
    except (BrokenPipeError, SystemExit):
        # Whoever read the output (`head`) has gone; that is no failure. rich
        # turns it into SystemExit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, ImportError, OSError) as error:
        print(f"keras-senet: {error}", file=sys.stderr)
        return 2


def _parser():
    parser = argparse.ArgumentParser(
        prog="keras-senet",
        description="Squeeze-and-Excitation networks for Keras 3.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        summary_line = module.__doc__.splitlines()[0].rstrip(".")
        command = commands.add_parser(
            name,
            help=summary_line[0].lower() + summary_line[1:],
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(command)
        command.set_defaults(run=module.run)
    return parser


def _version():
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("keras_senet")
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
