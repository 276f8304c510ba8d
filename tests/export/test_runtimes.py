"""Files of other runtimes, run by them."""

import json
import logging
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from small import size_of, small

import keras_senet
from keras_senet.architectures.build import build
from keras_senet.export import AgreementError, ConversionError, export
from keras_senet.export.runtimes import signal_stack_kept

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="what Keras exports is compared on TensorFlow",
)


def run_saved_model(path, images):
    import tensorflow as tf

    # Its variables live as long as it does.
    loaded = tf.saved_model.load(str(path))
    return loaded.serve(images).numpy()


def run_onnx(path, images):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path))
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def run_openvino(path, images):
    openvino = pytest.importorskip("openvino")
    with signal_stack_kept():
        compiled = openvino.Core().compile_model(
            str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
    return compiled(images)[0]


FILES = {
    "saved_model": ("x", run_saved_model),
    "onnx": ("x.onnx", run_onnx),
    "openvino": ("x.xml", run_openvino),
}


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("se_resnext50", marks=pytest.mark.slow),
        "se_mobilenet",
        pytest.param("se_shufflenet", marks=pytest.mark.slow),
    ],
)
def test_a_runtime_gives_the_outputs_of_keras(format, name, tmp_path, rng):
    network = small(name)
    size = size_of(network)
    model = build(network, input_shape=(size, size, 3), classes=7)
    model.card.class_names = list("abcdefg")
    images = rng.integers(0, 256, (3, size, size, 3)).astype("float32")
    file, run = FILES[format]
    report = export(
        model, tmp_path / file, format=format, images=images, check=1.0
    )
    expected = model.predict_on_batch(images)
    found = run(tmp_path / file, images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert report.images == 3
    assert report.largest_difference < 1e-5
    facts = json.loads((tmp_path / "x.json").read_text())
    assert facts["format"] == format
    assert (
        facts["file_bytes"]
        == report.file_bytes
        == sum(
            one.stat().st_size
            for one in tmp_path.rglob("*")
            if one.is_file() and one.name not in ("x.json", "x.labels.txt")
        )
    )
    assert facts["model"]["network"] == name
    threads = ["1", "2", "4"]
    if format == "saved_model":
        threads = [str(len(os.sched_getaffinity(0)))]
    assert list(facts["milliseconds"]) == threads
    assert all(0 < value < 1e3 for value in facts["milliseconds"].values())
    labels = (tmp_path / "x.labels.txt").read_text().splitlines()
    assert labels == list("abcdefg")
    assert not [one for one in tmp_path.iterdir() if one.name[0] == "."]


def test_grouped_convolutions_stay_one_operator(tmp_path):
    onnx = pytest.importorskip("onnx")
    model = build(small("se_resnext50"), input_shape=(32, 32, 3))
    export(model, tmp_path / "x.onnx", format="onnx")
    groups = [
        attribute.i
        for node in onnx.load(tmp_path / "x.onnx").graph.node
        if node.op_type == "Conv"
        for attribute in node.attribute
        if attribute.name == "group"
    ]
    grouped = [
        layer
        for layer in model.layers
        if isinstance(layer, keras_senet.layers.GroupedConv2D)
        and layer.groups > 1
    ]
    assert groups.count(2) == len(grouped) > 0


def test_the_package_is_its_main_function(tmp_path):
    model = keras_senet.SEResNet20(weights="cifar10")
    report = keras_senet.export(model, tmp_path / "x.tflite")
    assert report.format == "litert"
    assert (tmp_path / "x.json").exists()


BAD = {
    "format": ("coreml", "x", {}, "'litert'"),
    "suffix": ("onnx", "x.tflite", {}, "ends in .onnx"),
    "option": ("onnx", "x.onnx", {"precision": "int8"}, "format='litert'"),
    "limit": ("saved_model", "x", {"check": 99, "images": []}, "from 0 to 1"),
    "labels": ("onnx", "x.onnx", {"labels": ["a", "b"]}, "2 names"),
    "no path": ("openvino", None, {}, r"ends in \.xml"),
    "noise": ("saved_model", "x", {"check": 0.9}, "Give `images`"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_argument_is_named(case, tmp_path):
    format, file, options, message = BAD[case]
    model = keras_senet.SEResNet20(weights=None)
    with pytest.raises(ValueError, match=message):
        export(model, file and tmp_path / file, format=format, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("format", "file", "there"),
    [
        ("saved_model", "x", "x"),
        ("openvino", "x.xml", "x.bin/"),
        ("onnx", "x.onnx", "x.json/"),
    ],
)
def test_what_is_in_the_way_is_named_first(
    format, file, there, tmp_path, monkeypatch
):
    place = tmp_path / there
    place.mkdir() if there.endswith("/") else place.write_text("mine")
    model = keras_senet.SEResNet20(weights=None)
    monkeypatch.setattr(model, "predict_on_batch", None)
    with pytest.raises(ValueError, match=f"{place.name}.*Remove it"):
        export(model, tmp_path / file, format=format)
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_an_operator_that_a_runtime_lacks_is_named(format, tmp_path):
    level = logging.getLogger().level
    model = keras_senet.SEResNet20(
        weights=None, classifier_activation=keras.ops.erfinv
    )
    with pytest.raises(ConversionError, match="no operator for Erfinv"):
        export(model, tmp_path / FILES[format][0], format=format)
    assert not list(tmp_path.iterdir())
    # OpenVINO's converter raises it.
    assert logging.getLogger().level == level


def test_labels_that_are_given(tmp_path):
    model = keras_senet.SEResNet20(weights="cifar10")
    names = [f"kind {k}" for k in range(10)]
    for format, file in (("saved_model", "x"), ("litert", "y.tflite")):
        export(model, tmp_path / file, format=format, labels=names)
        text = (tmp_path / file).with_suffix(".labels.txt").read_text()
        assert text.splitlines() == names


def test_below_the_limit_nothing_is_written(tmp_path):
    model = build(
        small("se_mobilenet"), include_top=False, input_shape=(32,) * 2 + (3,)
    )
    images = np.ones((2, 32, 32, 3)) * 99
    with pytest.raises(AgreementError, match="none"):
        export(model, tmp_path / "x", "saved_model", images, check=0.5)
    assert not list(tmp_path.iterdir())


AFTER_OPENVINO = """
import os, signal
import keras_senet
model = keras_senet.SEResNet20(weights=None, classes=4)
keras_senet.export(model, "x.xml", format="openvino")
caught = []
signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
os.kill(os.getpid(), signal.SIGTERM)
assert caught == [signal.SIGTERM]
"""


@pytest.mark.slow
def test_a_signal_after_openvino_is_handled(tmp_path):
    """And does not end the process, on the stack that OpenVINO has freed."""
    pytest.importorskip("openvino")
    done = subprocess.run(
        [sys.executable, "-c", AFTER_OPENVINO], cwd=tmp_path, check=False
    )
    assert done.returncode == 0
