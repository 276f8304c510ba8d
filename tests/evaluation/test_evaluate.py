"""`evaluate` and its command: names, files, ensembles, folders, errors."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import keras_senet
from keras_senet.__main__ import main
from keras_senet.data.images import ImageError, center_crop
from keras_senet.data.labelled import open_images
from keras_senet.evaluation import evaluate

NAMES = keras_senet.preprocessing.class_names("cifar10")


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(1)
    return (
        rng.integers(0, 255, (13, 32, 32, 3), "uint8"),
        rng.integers(0, 10, 13),
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two of ImageNet's classes, of which ours is one in a hundred."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number, name in enumerate(("n02504458", "n01443537", "n02504458")):
        (folder / "val" / name).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (50, 60, 3), "uint8")
        path = folder / "val" / name / f"{number}.png"
        Image.fromarray(pixels).save(path)
    return folder


def network(name="se_resnet20", **keywords):
    return keras_senet.create_model(name, **keywords)


def cross_entropy(probabilities, labels):
    return -np.log(probabilities[np.arange(len(labels)), labels]).mean()


def test_an_ensemble_averages_probabilities(arrays, tmp_path):
    """By name, from a file, and one with other classes, size and pixels."""
    pixels, labels = arrays
    keras.utils.set_random_seed(1)
    other = network(
        "resnet20",
        weights=None,
        input_shape=(24, 24, 3),
        classifier_activation=None,
        include_preprocessing=False,
        normalization="signed",
    )
    # Its classes the other way round.
    other.card.class_names = NAMES[::-1]
    saved = network(weights=None)
    saved.save(tmp_path / "saved.keras")
    result = evaluate(
        ["se_resnet20", tmp_path / "saved.keras", other], arrays, batch_size=4
    )
    small = [
        np.asarray(Image.fromarray(image).resize((24, 24), 2), "float32")
        for image in pixels
    ]
    logits = other.predict(np.stack(small) / 127.5 - 1, verbose=0)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    parts = [
        network(weights="cifar10").predict(pixels, verbose=0),
        saved.predict(pixels, verbose=0),
        (powers / powers.sum(1, keepdims=True))[:, ::-1],
    ]
    mean = np.mean(parts, axis=0)
    assert result.images == 13
    assert result.loss == pytest.approx(cross_entropy(mean, labels), abs=1e-3)
    assert result.top1 == (mean.argmax(1) == labels).mean()


def test_classes_of_a_folder_are_found_by_wordnet_id(photos, tmp_path):
    model = network("se_resnet18", weights=None, input_shape=(32, 32, 3))
    result = evaluate(
        model, f"folder:{photos}", crop=32 / 40, csv=tmp_path / "classes.csv"
    )
    paths = sorted(photos.rglob("*.png"))
    crops = [center_crop(Image.open(path), (32, 32), 32 / 40) for path in paths]
    scores = model.predict(np.stack(crops), verbose=0)
    # n01443537 is goldfish, 1; n02504458 African elephant, 386.
    assert result.loss == pytest.approx(
        cross_entropy(scores, [1, 386, 386]), rel=1e-3
    )
    with (tmp_path / "classes.csv").open(newline="") as file:
        rows = [(row["class"], row["images"]) for row in csv.DictReader(file)]
    assert rows == [("n01443537", "1"), ("n02504458", "2")]


def test_a_network_by_name_is_built_for_the_size(arrays):
    """As one that was built for it by hand."""
    result = evaluate("se_resnet20", arrays, size=40, crop=0.8, views="ten")
    model = network(weights="cifar10", input_shape=(40, 40, 3))
    again = evaluate(model, arrays, crop=0.8, views="ten", batch_size=10)
    assert result.loss == pytest.approx(again.loss)
    assert result.loss != evaluate(model, arrays).loss


def test_damaged_images_are_named_or_left_out(tmp_path, caplog):
    folder = tmp_path / "mine" / "val"
    for name in ("n02504458", "n01443537"):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(folder / name / "good.jpg")
    (folder / "n02504458" / "bad.jpg").write_bytes(b"no image")
    model = network("se_resnet18", weights=None, input_shape=(32, 32, 3))
    data = f"folder:{tmp_path / 'mine'}"
    with pytest.raises(ImageError, match=r"n02504458.bad\.jpg can't be read"):
        evaluate(model, data)
    assert evaluate(model, data, max_unreadable=1).images == 2
    assert "bad.jpg" in caplog.text


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no image", "it is no image"), (None, "[^<{]*[a-z]")],
)
def test_an_error_says_which_image_and_why(content, why, tmp_path):
    """Of a network and of a file, without TensorFlow's inner names."""
    for name in ("cat", "dog"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), "uint8")
        Image.fromarray(noise).save(tmp_path / "mine" / name / "photo.png")
    bad = tmp_path / "mine" / "dog" / "photo.png"
    bad.write_bytes(content or bad.read_bytes()[:2000])
    model = network(weights="cifar10")
    file = tmp_path / "x.tflite"
    keras_senet.export_tflite(model, file)
    data = f"folder:{tmp_path / 'mine'}"
    for one in (model, file):
        with pytest.raises(
            ImageError, match=rf"dog.photo\.png can't be read: {why}\. Replace"
        ):
            evaluate(one, data)
        assert evaluate(one, data, max_unreadable=1).images == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"views": "five"}, ["'five'", "'center', 'ten', 'multi'"]),
        ({"crop": 87.5}, ["crop", "87.5", "0.1 to 1"]),
        ({"size": 0}, ["size", "pixels"]),
        ({"batch_size": 0}, ["batch_size", "at least 1"]),
        ({"model": []}, ["at least one model"]),
        ({"weights": ["cifar10"] * 2}, ["1 models", "2 `weights`"]),
        ({"csv": "nowhere/classes.csv"}, ["nowhere", "folder"]),
        ({"model": "se_resnet21"}, ["se_resnet21", "se_resnet20"]),
        ({"data": "tfds"}, ["'tfds'", "folder:PATH"]),
        ({"model": "resnet20"}, ["resnet20", "no weights"]),
    ],
)
def test_wrong_arguments_are_named(arrays, arguments, words):
    with pytest.raises(ValueError) as caught:
        evaluate(**{"model": "se_resnet20", "data": arrays, **arguments})
    for word in words:
        assert word in str(caught.value)


def test_models_that_do_not_fit_are_named(arrays):
    model = network(weights="cifar10")
    with pytest.raises(ValueError, match=r"32, 32, 3\).*\(40, 40, 3\)"):
        evaluate(model, arrays, size=40)
    with pytest.raises(ValueError, match="has its own"):
        evaluate(model, arrays, weights="cifar10")
    other = network(weights=None, classes=3)
    with pytest.raises(ValueError, match=r"3 classes, and .* 10"):
        evaluate([model, other], arrays)
    other = network(weights=None)
    other.card.class_names = [f"class {number}" for number in range(10)]
    with pytest.raises(ValueError, match=r"'airplane'.*'class 0'"):
        evaluate([model, other], arrays)


@pytest.mark.slow
@pytest.mark.data
def test_the_known_accuracy_of_the_weights_that_ship(data_dir, capsys):
    arguments = ["--model", "se_resnet20", "--data", "tfds:cifar10"]
    assert main(["evaluate", *arguments, "--split", "test", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 10_000
    # Another machine rounds otherwise; that may turn a few images.
    assert found["top1"] == pytest.approx(0.9101, abs=5e-4)
    assert found["top5"] > 0.99


@pytest.mark.data
@pytest.mark.slow
def test_mirror_images_make_it_better(data_dir):
    images = open_images("tfds:cifar10", "test").take(np.arange(2000))
    plain, ten = (
        evaluate("se_resnet20", images, views=views)
        for views in ("center", "ten")
    )
    assert ten.loss < plain.loss
    assert ten.images == plain.images == 2000


def test_the_command_prints_a_table(photos, tmp_path, capsys):
    network("se_resnet18", weights=None, input_shape=(32, 32, 3)).save(
        tmp_path / "mine.keras"
    )
    words = ["evaluate", "--model", str(tmp_path / "mine.keras")]
    words += ["--data", f"folder:{photos}", "--crop", "299/352"]
    assert main([*words, "--csv", str(tmp_path / "classes.csv")]) == 0
    output = capsys.readouterr().out
    assert "top-1" in output
    assert "mine.keras" in output
    assert "n02504458" in (tmp_path / "classes.csv").read_text()
    assert main([*words, "--size", "64"]) == 2
    assert "64, 64" in capsys.readouterr().err


@pytest.mark.slow
def test_the_script_says_that_it_needs_tensorflow():
    pytest.importorskip("jax")
    script = Path(__file__).parents[2] / "scripts" / "evaluate.py"
    words = ["--model", "se_resnet20", "--data", "tfds:cifar10"]
    done = subprocess.run(
        [sys.executable, script, *words],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Evaluation" in done.stderr
    assert "KERAS_BACKEND=tensorflow" in done.stderr
