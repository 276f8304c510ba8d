"""The folder that `keras-senet excitations` writes."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
from PIL import Image
from small import pictures

import keras_senet
from keras_senet.__main__ import main
from keras_senet.analysis import gates
from keras_senet.analysis.study import study
from keras_senet.data.labelled import open_images

FILES = ["blocks.csv", "depth.png", "gates.csv", "gates.png", "removal.csv"]
FILES += ["spread.png", "suggestions.txt"]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_tables_and_pictures(rng, tmp_path):
    model = keras_senet.SEResNet20(weights="cifar10")
    x = pictures(rng, 12, 32).astype("uint8")
    # The names in another order than the outputs.
    names = ["ship", "cat", "airplane"]
    labels = np.arange(12) % 3
    images = dataclasses.replace(
        open_images((x, labels), "train"), class_names=names
    )
    result = study(model, images, tmp_path, ["cat", "ship"], batch_size=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    every = gates(model, x)
    for row in rows_of(tmp_path / "gates.csv"):
        values = every[row["block"]][:, int(row["channel"])]
        if row["class"] != "all":
            values = values[labels == names.index(row["class"])]
        assert float(row["mean"]) == pytest.approx(values.mean(), abs=2e-6)
        assert float(row["std"]) == pytest.approx(values.std(), abs=2e-6)
    none = rows_of(tmp_path / "removal.csv")[0]
    outputs = model.predict_on_batch(x).argmax(-1)
    right = [model.card.class_names[k] for k in outputs]
    expected = np.mean(np.array(right) == np.array(names)[labels])
    assert float(none["top1"]) == pytest.approx(expected, abs=1e-6)
    assert [row["block"] for row in rows_of(tmp_path / "blocks.csv")] == list(
        every
    )
    for name in result["suggested"]:
        [row] = [row for row in result["blocks"] if row["block"] == name]
        assert row["change_mean"] >= -0.001
    for path in tmp_path.glob("*.png"):
        assert np.asarray(Image.open(path)).std() > 5
    lines = (tmp_path / "suggestions.txt").read_text().splitlines()
    assert lines == result["suggestions"]
    # 12 images, of which one is 8.3 points.
    assert (
        "12 images are too few to say which blocks can go, as one of them is "
        "8.3 points: take 1,000 or more." in lines
    )
    mean, one = (
        100 * row["change"]
        for row in result["removal"]
        if row["removed"] == "all of conv4"
    )
    # The blocks of the last stage have 1740 of 272,474 parameters.
    assert (
        "SE in conv4 costs 0.64% of the parameters; without it top-1 changes "
        f"by {mean:+.2f} points (mean gates) or {one:+.2f} points (gates of "
        "one)." in lines
    )


@pytest.mark.slow
def test_classes_are_named_by_the_folder_or_by_the_card(rng, tmp_path):
    """ImageNet's folders are named by WordNet, its classes by people."""
    model = keras_senet.SEResNet20(weights=None, classes=1000)
    model.card.class_names = keras_senet.preprocessing.class_names("imagenet")
    x = pictures(rng, 3, 32).astype("uint8")
    names = ["n01443537", "n02012849", "n03126707"]
    images = dataclasses.replace(
        open_images((x, np.arange(3)), "train"), class_names=names
    )
    study(model, images, tmp_path)
    drawn = [row["class"] for row in rows_of(tmp_path / "gates.csv")]
    cranes = {"crane (bird)", "crane (machine)"}
    assert set(drawn) == {"goldfish", *cranes, "all"}
    for name in ("goldfish", "n01443537"):
        study(model, images, tmp_path, [name])
        drawn = [row["class"] for row in rows_of(tmp_path / "gates.csv")]
        assert set(drawn) == {"goldfish", "all"}
    with pytest.raises(ValueError, match="It has: goldfish = n01443537, cr"):
        study(model, images, tmp_path, ["crane"])


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="one backend is enough"
)
def test_the_command(rng, tmp_path, capsys):
    for number, x in enumerate(pictures(rng, 4, 40).astype("uint8")):
        folder = tmp_path / "photos" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(folder / f"{number}.png")
    command = ["excitations", "--model", "se_resnet20", "--data"]
    command += [f"folder:{tmp_path / 'photos'}", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    output = capsys.readouterr().out
    assert "conv4_block3_se" in output
    assert "SE in conv4 costs 0.64% of the parameters" in output
    assert sorted(x.name for x in (tmp_path / "out").iterdir()) == FILES
    assert main([*command, "--classes", "fish"]) == 2
    assert "no image of a class 'fish'" in capsys.readouterr().err
    bad = tmp_path / "photos" / "dog" / "5.png"
    bad.write_bytes(b"no image")
    assert main(command) == 2
    assert "5.png can't be read: it is no image. " in capsys.readouterr().err
    assert main([*command, "--max-unreadable", "1"]) == 0
    capsys.readouterr()
    assert main([*command[:-1], str(bad)]) == 2
    assert "5.png', a file. Give a folder" in capsys.readouterr().err


def test_summary_of_layers(capsys):
    assert main(["summary", "se_resnet20", "--layers"]) == 0
    assert "conv4_block3_se" in capsys.readouterr().out
    assert main(["summary", "se_resnet20", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (
        sum(row["activations"] for row in result["layers"])
        == (result["activations"])
    )
