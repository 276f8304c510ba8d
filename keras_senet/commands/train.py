"""Trains a network as a file of configs/ says, or goes on with a run.

Every field of the config is an option too: --model se_resnet50 --epochs 20.
With several machines the same command runs on each, with TF_CONFIG set.
"""

import signal
import sys
from pathlib import Path


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
    from keras_senet.training.run_folder import Preempted, TrainingError

    if args.fields:
        print(TrainConfig.__doc__)
        return 0
    config = load_config(args.config, args.fields_given)
    if not config.out:
        stem = Path(args.config).stem if args.config else "run"
        name = f"{stem}-{config.model}-seed{config.seed}"
        config = dataclasses.replace(config, out=f"runs/{name}")
    try:
        history = train(config)
    except TrainingError as error:
        print(f"keras-senet: {error}", file=sys.stderr)
        return 128 + signal.SIGTERM if isinstance(error, Preempted) else 1
    measured = history.model.card.measured
    print(
        f"{config.model}: top-1 {measured['top1']:.2%}, top-5 "
        f"{measured['top5']:.2%} of {measured['images']} images of "
        f"{measured['dataset']}; {config.out}/model.keras"
    )
    return 0
