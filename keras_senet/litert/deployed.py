"""LiteRT files that this package wrote, read back from the file alone."""

import dataclasses
import json
from pathlib import Path

from keras_senet._quiet import quietly
from keras_senet.architectures.card import Card
from keras_senet.litert.metadata import CARD_FILE, LABELS_FILE, read_files
from keras_senet.litert.runtime import interpreter_of


@dataclasses.dataclass(frozen=True)
class DeployedModel:
    """A LiteRT file that describes itself.

    Attributes:
        name: that of the file.
        content: the file.
        card: its `Card`; the class names are the file's labels.
        input_shape: shape of a batch of images.
        output_shape: shape of the outputs.
    """

    name: str
    content: bytes
    card: Card
    input_shape: tuple
    output_shape: tuple


def open_tflite(path: str | Path) -> DeployedModel:
    """Opens a LiteRT file that `export_tflite` wrote.

    Args:
        path: the file.

    Returns:
        A `DeployedModel`.

    Raises:
        ValueError: if there is none, it is damaged, or another program wrote
            it.
        ImportError: without ai-edge-litert.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"The LiteRT file {str(path)!r} does not exist. Give the path of "
            "what `export_tflite` wrote."
        )
    content = path.read_bytes()
    # The identifier of the format (TensorFlow Lite's schema.fbs).
    if content[4:8] != b"TFL3":
        raise ValueError(f"{str(path)!r} is no LiteRT (TFLite) file.")
    files = read_files(content)
    if CARD_FILE not in files:
        raise ValueError(
            f"The LiteRT file {str(path)!r} does not say how its images are "
            "prepared: another program wrote it, or it is damaged. Write it "
            "with keras_senet.export_tflite."
        )
    try:
        with quietly():
            interpreter = interpreter_of(content, 1)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"The LiteRT file {str(path)!r} can't be run: {error}"
        ) from error
    try:
        card = Card.from_dict(json.loads(files[CARD_FILE]))
        card.check()
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"The LiteRT file {str(path)!r} has a damaged {CARD_FILE}: {error}"
        ) from error
    if LABELS_FILE in files:
        card.class_names = files[LABELS_FILE].split("\n")[:-1]
    [taken] = interpreter.get_input_details()
    [given] = interpreter.get_output_details()
    return DeployedModel(
        path.stem,
        content,
        card,
        (None, *map(int, taken["shape"][1:])),
        (None, *map(int, given["shape"][1:])),
    )
