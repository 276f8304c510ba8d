"""`keras-senet export` and its script, as a person uses them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from keras_senet.__main__ import main

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="LiteRT's converter reads TensorFlow's graphs",
)

SCRIPT = Path(__file__).parents[2] / "scripts" / "export_tflite.py"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    values = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), "uint8")
    for number, value in enumerate(values):
        Image.fromarray(value).resize((40, 40)).save(folder / f"{number}.png")
    return folder


def export(*words):
    return main(["export", "--model", "se_resnet20", *map(str, words)])


def test_the_script_writes_a_file(photos, tmp_path):
    out = tmp_path / "x.tflite"
    process = subprocess.run(
        [sys.executable, SCRIPT, "--model", "se_resnet20"]
        + ["--images", photos, "--check", "0.9", "--out", out],
        capture_output=True,
        text=True,
        env=os.environ,
        check=True,
    )
    facts = json.loads((tmp_path / "x.json").read_text())
    assert facts["file_bytes"] == out.stat().st_size
    assert facts["top1_agreement"] == 1
    lines = process.stdout.splitlines()
    assert lines[0] == str(out)
    assert "100.00% of 30 images (images)" in process.stdout


def test_below_the_limit_the_status_is_1(photos, tmp_path, capsys, monkeypatch):
    # Weights that the file has not: the model is changed behind its back.
    from keras_senet.export import tflite

    outputs_of = tflite.outputs_of
    monkeypatch.setattr(
        tflite, "outputs_of", lambda *given: -outputs_of(*given)
    )
    words = ["--precision", "int8", "--calibrate", photos, "--check", "0.9"]
    assert export(*words, "--out", tmp_path / "x.tflite") == 1
    assert not list(tmp_path.iterdir())
    error = capsys.readouterr().err
    assert "was asked for" in error
    assert "(--float-gates)" in error
    assert "--precision float16" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--precision", "int8"], "--precision int8 needs --calibrate: "),
        (["--float-gates"], "--float-gates is for --precision int8 alone"),
        (["--check", "0.9"], "Give --images like"),
        (["--image-size", "0"], "--image-size is 0"),
        (["--out", "x.onnx"], "--out is 'x.onnx'"),
        (["--format", "onnx", "--float-gates"], "--format litert"),
    ],
)
def test_errors_name_options(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert export("--out", "x.tflite", *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "_" not in error.replace("se_resnet20", "")
    assert "`" not in error
    assert not list(tmp_path.iterdir())


def test_labels_of_another_format(tmp_path):
    names = "\n".join("abcdefghij")
    (tmp_path / "names.txt").write_text(names)
    words = ["--format", "saved_model", "--labels", tmp_path / "names.txt"]
    assert export(*words, "--out", tmp_path / "x") == 0
    assert (tmp_path / "x.labels.txt").read_text().split() == [*"abcdefghij"]
