"""What a run ends with."""

import json
import logging
import shlex
import sys
from pathlib import Path

import keras

from keras_senet._version import __version__
from keras_senet.architectures.card import DescribedModel
from keras_senet.replace import replaced
from keras_senet.training.config import TrainConfig
from keras_senet.training.curves import draw_curves
from keras_senet.training.run_folder import CURVES, HISTORY, MODEL, write_text

logger = logging.getLogger("keras_senet")


def write_result(config: TrainConfig, model: DescribedModel) -> None:
    """Writes the trained network, its accuracy and the curves.

    Args:
        config: the run's config.
        model: the trained network, whose card says how good it is.
    """
    folder = Path(config.out)
    with replaced(folder / MODEL) as partial:
        model.save(partial)
    result = {
        "measured": model.card.measured,
        "config": config.record(),
        "command": _command(),
        "versions": {
            "python": sys.version.split()[0],
            "keras": keras.__version__,
            "keras_senet": __version__,
        },
    }
    write_text(folder / "result.json", json.dumps(result, indent=2) + "\n")
    try:
        draw_curves({config.model: folder / HISTORY}, folder / CURVES)
    except ImportError as error:
        logger.warning("No curves are drawn. %s", error)


def _command():
    """The command of this process, without the place of this package."""
    program, words = Path(sys.argv[0]), sys.argv[1:]
    start = [str(program)]
    if program.name == "__main__.py":
        start = ["python", "-m", program.parent.name]
    elif program.name == "keras-senet":
        start = [program.name]
    return shlex.join([*start, *words])
