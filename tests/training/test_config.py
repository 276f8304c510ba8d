"""What a config takes, and what it says when it does not."""

import dataclasses

import pytest

from keras_senet.training import TrainConfig, load_config

FILE = """
from keras_senet.training import TrainConfig
config = TrainConfig("se_resnet20", "tfds:cifar10", epochs=5)
"""


def test_the_command_line_changes_fields(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    config = load_config(
        path,
        [
            "--epochs=7",
            "--batch-size",
            "64",
            "--nesterov",
            "true",
            "--options",
            "{'reduction': 4}",
            "--weights",
            "None",
            "--out",
            "12",
            "--learning_rate",
            "1e-2",
        ],
    )
    assert config == TrainConfig(
        "se_resnet20",
        "tfds:cifar10",
        "12",
        {"reduction": 4},
        epochs=7,
        batch_size=64,
        nesterov=True,
        learning_rate=0.01,
    )


def test_every_field_is_documented_with_its_default():
    text = TrainConfig.__doc__
    for field in dataclasses.fields(TrainConfig):
        start = text.find(f"        {field.name}: ")
        assert start > 0, field.name
        if field.default in (dataclasses.MISSING, None, "", False, True):
            continue
        end = text.find("\n        ", start)
        while text[end + 9] == " ":
            end = text.find("\n        ", end + 1)
        words = " ".join(text[start:end].split())
        default = str(field.default).replace('"', "").removesuffix(".0")
        assert f"Defaults to `{default}`" in words.replace('"', "").replace(
            "1e-4", "0.0001"
        ), (field.name, words)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "se_resnet5"}, ["se_resnet5"]),
        ({"epochs": 0}, ["epochs", "greater than 0"]),
        ({"epochs": float("nan")}, ["epochs"]),
        ({"batch_size": 0}, ["batch_size", "at least 1"]),
        ({"batch_size": 12.5}, ["batch_size", "an integer"]),
        ({"batch_size": True}, ["batch_size"]),
        ({"schedule": "linear"}, ["schedule", "'plateau'"]),
        ({"crop": "none"}, ["crop", "'padded'"]),
        ({"precision": "int8"}, ["precision", "'mixed_float16'"]),
        ({"momentum": 1.0}, ["momentum", "below 1"]),
        ({"seed": -1}, ["seed"]),
        ({"options": "reduction=4"}, ["options", "dictionary"]),
        ({"rand_augment": 31}, ["rand_augment", "30"]),
        ({"decay_epochs": [30, 0]}, ["decay_epochs", "list"]),
        ({"epochs": 5, "head_epochs": 6}, ["head_epochs", "(5)"]),
    ],
)
def test_wrong_values_are_named(fields, words):
    with pytest.raises(ValueError) as caught:
        TrainConfig(
            **{"model": "se_resnet20", "data": "tfds:cifar10", **fields}
        )
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("path", "changes", "words"),
    [
        (None, [], ["--model is missing", "--config"]),
        ("nowhere.py", [], ["nowhere.py", "does not exist"]),
        (None, ["--model", "alexnet", "--epoch", "3"], ["--epoch", "--epochs"]),
        (None, ["--model"], ["--model", "no value"]),
        (None, ["model", "alexnet"], ["'model'", "no field"]),
    ],
)
def test_wrong_words_are_named(path, changes, words):
    with pytest.raises(ValueError) as caught:
        load_config(path, changes)
    for word in words:
        assert word in str(caught.value)


def test_a_file_without_config_is_named(tmp_path):
    path = tmp_path / "empty.py"
    path.write_text("")
    with pytest.raises(ValueError, match="no TrainConfig called `config`"):
        load_config(path)
