"""The commands of docs/android.md, one after another on real images."""

import re
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from keras_senet.__main__ import main

GUIDE = Path(__file__).parents[2] / "docs" / "android.md"


def commands():
    """The lines of its shell blocks that are this package's."""
    for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line)
            if words[0] == "keras-senet":
                yield words[1:]


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="LiteRT's converter reads TensorFlow's graphs",
)
def test_the_commands_work_as_they_are_shown(
    data_dir, tmp_path, monkeypatch, capsys
):
    import tensorflow_datasets as tfds

    data, info = tfds.load(
        "cifar10",
        split="test[:150]",
        data_dir=data_dir,
        download=False,
        with_info=True,
    )
    names = info.features["label"].names
    for number, row in enumerate(data.as_numpy_iterator()):
        path = tmp_path / "photos" / names[row["label"]] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(row["image"]).save(path)
    Image.fromarray(np.asarray(row["image"])).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    found = list(commands())
    assert len(found) == 7
    for words in found:
        assert main(words) == 0, words
    assert "se_resnet20.tflite" in capsys.readouterr().out
    for name in ("onnx", "xml", "bin", "tflite", "labels.txt", "json"):
        assert (tmp_path / f"se_resnet20.{name}").is_file()
