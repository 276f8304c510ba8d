"""The command line as a person and as a program use it."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import keras_senet
from keras_senet.__main__ import main
from keras_senet.commands.terminal import console


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    values = np.random.default_rng(0).integers(0, 255, (3, 40, 50, 3), "uint8")
    for name, value in zip(("a.jpg", "b.png", "c.webp"), values, strict=True):
        Image.fromarray(value).save(folder / name)
    return folder


def test_list(capsys):
    assert main(["list", "se_*50*"]) == 0
    output = capsys.readouterr().out
    assert "se_resnet50" in output
    assert "28,088,024" in output
    assert "3,860 M" in output
    assert "224 px" in output
    assert "senet154" not in output


@pytest.mark.parametrize("pattern", ["SE-ResNet*", "se-resnet*", "SE_RESNET*"])
def test_list_knows_titles_too(pattern, capsys):
    assert main(["list", pattern, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [r["name"] for r in rows] == keras_senet.list_models("se_resnet*")


def test_list_of_weights_has_those_of_plain_twins(capsys):
    assert main(["list", "se_vgg16", "--weights", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert row["tag"] == "imagenet-backbone"
    assert row["top1"] is None
    assert "output_scale" in row["graph"]
    assert main(["list", "se_resnet50", "--weights"]) == 0
    output = capsys.readouterr().out
    assert "imagenet-backbone" in output
    # Every tag that the other table names.
    assert main(["list", "--json"]) == 0
    networks = json.loads(capsys.readouterr().out)
    assert main(["list", "--weights", "--json"]) == 0
    weights = json.loads(capsys.readouterr().out)
    shown = {(row["network"], row["tag"]) for row in weights}
    for network in networks:
        for tag in network["weights"]:
            assert (network["name"], tag) in shown


def test_list_for_a_program(capsys):
    assert main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == keras_senet.list_models()
    row = next(row for row in rows if row["name"] == "se_resnet20")
    assert row["weights"] == ["cifar10"]
    assert row["parameters"] == 272095


def test_summary(capsys):
    assert main(["summary", "se_resnet20"]) == 0
    output = capsys.readouterr().out
    assert "SE-ResNet-20" in output
    assert "272,095 parameters" in output
    assert "conv4" in output


def test_summary_for_a_program(capsys):
    assert main(["summary", "se_resnet20", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert sum(part["parameters"] for part in result["parts"]) == 272095
    assert (
        sum(part["multiply_adds"] for part in result["parts"])
        == result["multiply_adds"]
    )


def test_predict(photos, capsys):
    assert main(["predict", str(photos), "--top", "2"]) == 0
    output = capsys.readouterr().out
    assert all(name in output for name in ("a.jpg", "b.png", "c.webp"))
    assert output.count("%") == 6


def test_predict_for_a_program(photos, capsys):
    assert main(["predict", str(photos / "a.jpg"), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    scores = [one["score"] for one in row["predictions"]]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert (
        row["predictions"][0]["name"]
        in "airplane automobile bird cat deer dog frog horse ship truck"
    )


def test_a_broken_file_is_reported_and_the_others_go_on(
    photos, tmp_path, capsys
):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((photos / "a.jpg").read_bytes()[:300])
    missing = tmp_path / "missing.png"
    files = [str(broken), str(photos / "b.png"), str(missing)]
    assert main(["predict", *files, "--json"]) == 1
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert "error" in rows[0]
    assert "predictions" in rows[1]
    assert "no such file" in rows[2]["error"]
    assert "2 of 3 images could not be read" in captured.err


def test_a_saved_model_says_what_it_is(photos, tmp_path, capsys):
    model = keras_senet.SEResNet20(weights=None, classes=2)
    model.card.class_names = ["left", "[/red]"]
    model.save(tmp_path / "mine.keras")
    command = ["predict", str(photos / "a.jpg")]
    assert main([*command, "--model", str(tmp_path / "mine.keras")]) == 0
    assert "[/red]" in capsys.readouterr().out
    command.append("--json")
    assert main([*command, "--model", str(tmp_path / "mine.keras")]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in row["predictions"]} == {
        "left",
        "[/red]",
    }
    assert sum(one["score"] for one in row["predictions"]) == pytest.approx(1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"classifier_activation": None},
        {"include_preprocessing": False, "normalization": "mean"},
        {"data_format": "channels_first"},
        {"input_shape": (32, 32, 1)},
        {"input_shape": (48, 40, 3)},
        {"dtype": "mixed_bfloat16"},
    ],
)
def test_models_of_every_kind_predict(arguments, photos, tmp_path, capsys):
    model = keras_senet.SEResNet20(weights=None, **arguments)
    path = str(tmp_path / "mine.keras")
    model.save(path)
    assert main(["predict", str(photos), "--json", "--model", path]) == 0
    for row in json.loads(capsys.readouterr().out):
        scores = [one["score"] for one in row["predictions"]]
        assert 0 < sum(scores) <= 1 + 1e-5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["summary", "se_resnet5"], ["'se_resnet56'"]),
        (["summary", "none.keras"], ["'none.keras' does not exist"]),
        (["list", "xyz"], ["'xyz'"]),
        (["predict", "a.jpg", "--model", "alexnet"], ["no weights"]),
        (["predict", "a.jpg", "--model", "resnet50"], ["put it at"]),
        (["predict", "a.jpg", "--weights", "nothing"], ["'cifar10'"]),
        (["predict", "a.jpg", "--model", "none.keras"], ["does not exist"]),
        (["predict", "a.jpg", "--top", "0"], ["--top"]),
        (["predict", ""], ["A path is empty"]),
        (
            ["predict", "a.jpg", "--engine", "keras", "--threads", "2"],
            ["threads", "'litert' alone"],
        ),
        (["list", "se_alexnet", "--weights"], ["their plain twins"]),
        (
            ["predict", "a.jpg", "--model", "x.keras", "--weights", "cifar10"],
            ["its own weights"],
        ),
    ],
)
def test_errors_are_one_sentence_and_exit_2(arguments, words, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("keras-senet: ")
    assert captured.err.count("\n") == 1
    for word in words:
        assert word in captured.err


def test_verifying_says_what_it_does_not_score(tmp_path, capsys, rng):
    folder = tmp_path / "n01440764"
    folder.mkdir()
    image = rng.integers(0, 255, (40, 50, 3), "uint8")
    Image.fromarray(image).save(folder / "1.png")
    command = ["verify-weights", "se_resnet20", "--data", str(tmp_path)]
    assert main(command) == 0
    assert "cifar10 is not scored" in capsys.readouterr().err


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="8 bits are LiteRT's, which TensorFlow's graphs are made for",
)
def test_a_calibration_with_a_broken_file_goes_on(photos, tmp_path, capsys):
    for photo in photos.iterdir():
        (tmp_path / photo.name).write_bytes(photo.read_bytes())
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    command = ["predict", str(photos / "a.jpg"), "--int8", str(tmp_path)]
    assert main(command) == 0
    assert "%" in capsys.readouterr().out


def test_a_damaged_model_file_is_an_error(tmp_path, capsys):
    path = tmp_path / "damaged.keras"
    path.write_bytes(b"PK\x03\x04 nothing more")
    assert main(["predict", "a.jpg", "--model", str(path)]) == 2
    assert "can't be loaded" in capsys.readouterr().err


def test_a_model_without_card_is_an_error(tmp_path, capsys):
    import keras

    path = tmp_path / "other.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)
    assert main(["predict", "a.jpg", "--model", str(path)]) == 2
    assert "has no card" in capsys.readouterr().err


def test_a_model_without_classifier_is_an_error(tmp_path, photos, capsys):
    path = tmp_path / "body.keras"
    keras_senet.SEResNet20(weights=None, include_top=False).save(path)
    command = ["predict", str(photos / "a.jpg"), "--model", str(path)]
    assert main(command) == 2
    assert "is no classifier" in capsys.readouterr().err


def test_as_a_process_it_prints_nothing_else(photos):
    """No log lines of TensorFlow, and a status for the shell."""
    command = [sys.executable, "-m", "keras_senet", "predict", "--json"]
    done = subprocess.run(
        [*command, str(photos / "a.jpg"), str(photos / "none.jpg")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len(json.loads(done.stdout)) == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "keras-senet"
    ] * 2


def test_a_backend_that_is_none_is_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "keras_senet", "list"],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "foo"},
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "KERAS_BACKEND is 'foo'" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a shell's way to close a file")
def test_standard_error_may_be_closed(photos):
    names = f"{photos / 'a.jpg'} {photos / 'none.jpg'}"
    done = subprocess.run(
        f"{sys.executable} -m keras_senet predict --json {names} 2>&-",
        shell=True,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 1
    assert len(json.loads(done.stdout)) == 2


def test_lines_in_a_pipe_are_not_folded(monkeypatch, capfd):
    """Not where colours are asked for either, as notebooks do."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    console().print("word " * 50)
    assert capfd.readouterr().out.count("\n") == 1
