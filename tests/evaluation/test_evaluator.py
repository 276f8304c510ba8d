"""Counts and accuracies against numpy, and on several devices."""

import csv
import json
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_senet
from keras_senet.data.labelled import from_arrays
from keras_senet.evaluation import Evaluator
from keras_senet.evaluation.result import score, summarise
from keras_senet.evaluation.views import center, ten

NAMES = keras_senet.preprocessing.class_names("cifar10")
CENTER = partial(center, size=(32, 32), crop=1.0)
SCRIPT = Path(__file__).parent / "on_devices.py"


@pytest.fixture(scope="module")
def model():
    return keras_senet.SEResNet20(weights="cifar10")


@pytest.fixture(scope="module")
def arrays():
    """Images that the network is not sure of, and labels by chance."""
    rng = np.random.default_rng(1)
    return (
        rng.integers(0, 255, (23, 32, 32, 3), "uint8"),
        rng.integers(0, 10, 23),
    )


@pytest.fixture(scope="module")
def probabilities(model, arrays):
    return model.predict(arrays[0], verbose=0)


def expected(probabilities, labels):
    """The metrics as a sort gives them."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranks = np.argmax(order == labels[:, None], axis=1)
    own = probabilities[np.arange(len(labels)), labels].astype("float64")
    return {
        "images": len(labels),
        "loss": -np.log(own).mean(),
        "top1": (ranks == 0).mean(),
        "top5": (ranks < 5).mean(),
    }


def facts(result):
    return {
        name: getattr(result, name)
        for name in ("images", "loss", "top1", "top5")
    }


def images_of(arrays, count):
    return from_arrays(arrays[0][:count], arrays[1][:count], NAMES)


@pytest.mark.parametrize("batch_size", [1, 8, 23, 50])
def test_metrics_are_numpys_whatever_the_batch(
    model, arrays, probabilities, batch_size
):
    result = Evaluator(model)(images_of(arrays, 23), CENTER, batch_size)
    assert facts(result) == pytest.approx(expected(probabilities, arrays[1]))


def test_it_compiles_once_and_sees_new_weights(arrays):
    model = keras_senet.SEResNet20(weights="cifar10")
    evaluator = Evaluator(model)
    first = evaluator(images_of(arrays, 23), CENTER, 8)
    for count in (1, 8, 9):
        assert evaluator(images_of(arrays, count), CENTER, 8).images == count
    model.set_weights([weight * 0.9 for weight in model.get_weights()])
    assert evaluator(images_of(arrays, 23), CENTER, 8).loss != first.loss
    assert evaluator._step.experimental_get_tracing_count() == 1


def test_views_are_averaged(model, arrays):
    cut = partial(ten, size=(32, 32), crop=0.8)
    result = Evaluator(model)(images_of(arrays, 5), cut, 20)
    crops = np.stack([cut(image).numpy() for image in arrays[0][:5]])
    outputs = model.predict(crops.reshape(50, 32, 32, 3), verbose=0)
    mean = outputs.reshape(5, 10, 10).mean(1)
    assert facts(result) == pytest.approx(expected(mean, arrays[1][:5]))


@pytest.mark.parametrize(
    "options",
    [
        {"classifier_activation": None},
        {"include_preprocessing": False},
        {"data_format": "channels_first"},
    ],
    ids=str,
)
def test_every_kind_of_model_gives_the_same(
    model, arrays, probabilities, options
):
    shape = (3, 32, 32) if "data_format" in options else None
    other = keras_senet.SEResNet20(
        weights="cifar10", input_shape=shape, **options
    )
    result = Evaluator(other)(images_of(arrays, 23), CENTER, 8)
    assert facts(result) == pytest.approx(
        expected(probabilities, arrays[1]), rel=1e-4
    )


def test_half_precision_is_averaged_in_float32(arrays, probabilities):
    model = keras_senet.SEResNet20(weights="cifar10", dtype="mixed_bfloat16")
    result = Evaluator(model)(images_of(arrays, 23), CENTER, 8)
    wanted = expected(probabilities, arrays[1])
    assert result.loss == pytest.approx(wanted["loss"], rel=0.1)


def test_equal_scores_rank_by_number():
    ranks, losses = score(np.full((4, 10), 0.1), np.array([0, 4, 5, 9]))
    assert ranks.tolist() == [0, 4, 5, 9]
    assert losses == pytest.approx(np.full(4, np.log(10)))
    result = summarise(ranks, losses, np.array([0, 4, 5, 9]), NAMES)
    assert (result.top1, result.top5) == (0.25, 0.5)


def test_fewer_than_five_classes_are_all_among_the_five():
    ranks, losses = score(np.array([[0.7, 0.3, 0.0]] * 2), np.array([2, 2]))
    result = summarise(ranks, losses, np.array([2, 2]), ["a", "b", "c"])
    assert (result.top1, result.top5) == (0, 1)
    assert np.isfinite(result.loss)


def test_classes_in_a_file(tmp_path):
    labels = np.array([0, 0, 2, 2, 2])
    result = summarise(
        np.array([0, 7, 0, 0, 4]), np.ones(5), labels, ["cat", "yak", "a,b"]
    )
    result.write_csv(tmp_path / "classes.csv")
    with (tmp_path / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"class": "cat", "images": "2", "top1": "0.5", "top5": "0.5"},
        {"class": "yak", "images": "0", "top1": "", "top5": ""},
        {"class": "a,b", "images": "3", "top1": str(2 / 3), "top5": "1.0"},
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["classes.csv"]


def test_outputs_that_are_not_finite_are_named(arrays):
    model = keras_senet.SEResNet20(weights="cifar10")
    kernel = model.get_layer("predictions").kernel
    kernel.assign(kernel * np.nan)
    with pytest.raises(ValueError, match=r"image 0 .*not finite.*nan"):
        Evaluator(model)(images_of(arrays, 3), CENTER)


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (partial(center, size=(40, 40)), ["(1, 40, 40, 3)", "32, 32, 3"]),
        (lambda image: image, ["(32, 32, 3)", "(views, 32, 32, 3)"]),
        (lambda image: (CENTER(image),) * 2, ["2 models", "there are 1"]),
    ],
)
def test_views_that_do_not_fit_are_named(model, arrays, cut, words):
    with pytest.raises(ValueError) as caught:
        Evaluator(model)(images_of(arrays, 3), cut)
    for word in words:
        assert word in str(caught.value)


def test_a_model_that_is_no_classifier_is_named():
    body = keras_senet.SEResNet20(weights=None, include_top=False)
    with pytest.raises(ValueError, match="include_top"):
        Evaluator(body)
    with pytest.raises(ValueError, match="card"):
        Evaluator(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))


def run_devices(arrays, folder, configs):
    """What processes with these `TF_CONFIG`s print."""
    np.savez(folder / "arrays.npz", pixels=arrays[0], labels=arrays[1])
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, folder / "arrays.npz"],
            env={**os.environ, "TF_CONFIG": config},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for config in configs
    ]
    outputs = []
    for process in processes:
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        outputs.append(json.loads(output))
    return outputs


def check_devices(rows, arrays, probabilities):
    """Every image once: the metrics, and how many a class has."""
    labels = arrays[1]
    for row in rows:
        count = row["images"]
        wanted = expected(probabilities[:count], labels[:count])
        assert {name: row[name] for name in wanted} == pytest.approx(wanted)
        there = np.bincount(labels[:count], minlength=10)
        assert row["per_class"] == there.tolist()


@pytest.mark.slow
def test_every_image_counts_once_on_several_devices(
    arrays, probabilities, tmp_path
):
    (rows,) = run_devices(arrays, tmp_path, ["{}"])
    assert [(row["devices"], row["images"]) for row in rows] == [
        (devices, count) for devices in (1, 2, 3) for count in (23, 7, 1)
    ]
    check_devices(rows, arrays, probabilities)


@pytest.mark.slow
def test_every_image_counts_once_on_several_workers(
    arrays, probabilities, tmp_path
):
    with socket.socket() as one, socket.socket() as other:
        ports = []
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    first, second = run_devices(
        arrays,
        tmp_path,
        [
            json.dumps(
                {"cluster": cluster, "task": {"type": "worker", "index": k}}
            )
            for k in range(2)
        ],
    )
    assert [row["images"] for row in first] == [23, 7, 1]
    assert first == second
    check_devices(first, arrays, probabilities)
