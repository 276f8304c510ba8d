"""Fine-tuning by the command, on a folder of photos without splits."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image
from runs import write_photos

from keras_senet.__main__ import main
from keras_senet.evaluation import evaluate


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finetune")
    write_photos(folder / "photos", 10, 1)
    out = folder / "run"
    words = ["finetune", f"folder:{folder}/photos/train", "--out", str(out)]
    words += ["--model", "se_resnet20", "--weights", "cifar10"]
    assert main([*words, "--epochs", "2"]) == 0
    return out


def test_it_says_what_it_is(run):
    model = keras.models.load_model(run / "model.keras")
    assert model.card.class_names == ["blue", "green", "red"]
    assert model.card.weights == "cifar10"
    assert model.card.measured["images"] == 6
    config = json.loads((run / "config.json").read_text())
    assert (config["hold_out"], config["head_epochs"]) == (0.2, 0.4)
    assert config["validation_crop"] == 1.0


def test_the_mistakes_are_those_that_evaluation_counts(run):
    with (run / "mistakes.csv").open(newline="") as file:
        mistakes = list(csv.DictReader(file))
    model = keras.models.load_model(run / "model.keras")
    right = round(6 * model.card.measured["top1"])
    assert len(mistakes) == 6 - right
    for row in mistakes:
        assert f"/{row['class']}/" in row["image"]
        assert row["found"] != row["class"]
    scores = [float(row["score"]) for row in mistakes]
    assert scores == sorted(scores, reverse=True)
    # Photos that it was not validated on, by the file alone.
    data = f"folder:{run.parent}/photos"
    result = evaluate(str(run / "model.keras"), data)
    assert result.images == 3


@pytest.mark.parametrize("name", ["curves", "confusion", "mistakes"])
def test_the_pictures_are_pictures(run, name):
    pixels = np.asarray(Image.open(run / f"{name}.png").convert("L"))
    assert min(pixels.shape) > 200
    assert pixels.std() > 5


def test_run_again_it_is_done(run, capsys):
    data = json.loads((run / "config.json").read_text())["data"]
    words = ["finetune", data, "--out", str(run), "--model", "se_resnet20"]
    words += ["--weights", "cifar10"]
    assert main([*words, "--epochs", "2"]) == 0
    assert "of 6 images" in capsys.readouterr().out
    assert main([*words, "--epochs", "3"]) == 2
    assert "epochs is 3, was 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], "--model is missing"),
        (["train", "--config", "nowhere.py"], "does not exist"),
        (["train", "--model", "alexnet", "--what", "3"], "'--what'"),
        (["finetune", "folder:nowhere", "--out", "x"], "nowhere"),
        (
            ["finetune", "folder:.", "--out", "x", "--model", "se_resnet5"],
            "se_resnet5",
        ),
    ],
)
def test_errors_are_one_line_and_exit_2(words, said, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("keras-senet: ")
