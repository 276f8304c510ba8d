"""Quantisation-aware training, pruning and clustering, read from the files."""

import importlib.util
import json
import os
import sys
import tempfile
from collections import Counter

import keras
import numpy as np
import pytest
from PIL import Image
from small import (
    coarse,
    run_litert,
    shallow,
    size_of,
    small,
    tell_apart,
)

import keras_senet
from keras_senet.architectures.build import build
from keras_senet.architectures.variants import variant
from keras_senet.data.labelled import open_images
from keras_senet.export import keras2_process
from keras_senet.export.keras2_process import Keras2Error
from keras_senet.export.legacy import translate
from keras_senet.export.optimization import (
    cluster,
    prune,
    quantization_aware,
)
from keras_senet.litert.deployed import open_tflite

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_model_optimization") is None
    or keras.backend.backend() != "tensorflow",
    reason='needs TensorFlow and pip install "keras_senet[qat]"',
)


# The smallest network that has all that SE-ResNet-20 has.
SMALLEST = shallow(small("se_resnet20"))


@pytest.fixture
def model():
    return build(SMALLEST, classes=4)


def assert_origin(card, words):
    """Whose accuracy was measured is not what lies there now."""
    assert card["origin"] == f"somebody; then {words}"
    assert card["weights"] == "cifar10"
    measured = card.get("measured", card.get("measured_in_keras"))
    assert card["published"] is measured is None


@pytest.fixture
def described(model):
    """The same with an accuracy, which is that of these weights alone."""
    model.card.weights, model.card.origin = "cifar10", "somebody"
    model.card.published, model.card.measured = {"top1": 0.9}, {"top1": 0.91}
    return model


@pytest.fixture
def data(rng):
    """Images whose brightness is their class."""
    labels = np.arange(40) % 4
    pixels = rng.integers(0, 64, (40, 32, 32, 3)) + labels[:, None, None, None]
    pixels += 63 * labels[:, None, None, None]
    return np.clip(pixels, 0, 255).astype("uint8"), labels


def kernels(model):
    """The kernels that are pruned and clustered, as arrays by name."""
    return {
        variable.path: keras.ops.convert_to_numpy(variable)
        for variable in model.trainable_weights
        if variable.path.endswith("kernel")
    }


def test_the_program_of_the_user_stays_as_it_is(model, data, tmp_path):
    environment, weights = dict(os.environ), model.get_weights()
    report = quantization_aware(model, data, tmp_path / "m.tflite", epochs=1)
    assert report.precision == "int8"
    assert dict(os.environ) == environment
    assert not {"tf_keras", "tensorflow_model_optimization"} & set(sys.modules)
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"m.tflite", "m.json"}
    _, interpreter = run_litert((tmp_path / "m.tflite").read_bytes(), ())
    [taken] = interpreter.get_input_details()
    # Called as in the files that are not trained for.
    assert taken["name"] == "image"
    assert report.partitions == 1
    # XNNPACK has no softmax of 8 bits, nor 8 bits without a sign.
    left = Counter(report.operators) - Counter(report.delegated)
    assert left == {"QUANTIZE": 2, "SOFTMAX": 1}
    assert taken["dtype"] == np.uint8
    assert taken["quantization"] == (1.0, 0)
    kinds = {x["dtype"] for x in interpreter.get_tensor_details()}
    assert np.float32 not in kinds


@pytest.mark.slow
def test_the_file_says_how_it_was_made(described, data, rng, tmp_path):
    """And has the names of the classes of the images, where it had none."""
    described.card.class_names = None
    images, labels = data
    for name in (f"kind {k}" for k in range(4)):
        (tmp_path / "photos" / name).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = tmp_path / "photos" / f"kind {label}" / f"{number}.png"
        Image.fromarray(image).save(place)
    path = tmp_path / "m.tflite"
    quantization_aware(
        described, f"folder:{tmp_path / 'photos'}", path, epochs=1
    )
    facts = json.loads((tmp_path / "m.json").read_text())
    opened = open_tflite(path)
    for card in (facts["model"], opened.card.to_dict()):
        assert_origin(card, "trained for 8 bits, 1 epoch")
    names = [f"kind {k}" for k in range(4)]
    assert opened.card.class_names == names
    assert (tmp_path / "m.labels.txt").read_text().splitlines() == names
    assert facts["quantization"]["input"] == {"scale": 1.0, "zero_point": 0}
    assert facts["quantization"]["training"]["epochs"] == 1
    assert described.card.measured == {"top1": 0.91}
    assert described.card.class_names is None


GATES = [
    {"excitation": "hard_sigmoid"},
    {"excitation": "tanh", "squeeze": "max"},
    {"output_scale": 2.0, "squeeze": "none"},
]
ENDS = [{"include_preprocessing": False}, {"classifier_activation": None}]


def write_request(folder, model, images, labels, **request):
    """What `keras2` reads."""
    options = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-5, "seed": 0}
    graph, arrays = translate(model)
    np.savez(folder / "weights.npz", **arrays)
    for prefix in ("", "validation_"):
        np.save(folder / f"{prefix}images.npy", images)
        np.save(folder / f"{prefix}labels.npy", labels)
    request = {"graph": graph, "options": options, **request}
    (folder / "request.json").write_text(json.dumps(request))


def check_file_against_fake_quantisation(model, folder, rng):
    """The file computes in integers what was trained with rounded floats."""
    images = coarse(rng, 32, model.input_shape[1])
    tell_apart(model, images)
    write_request(folder, model, images, np.arange(32) % 5, work="quantize")
    keras2_process.work(folder)
    expected = np.load(folder / "outputs.npy")
    content = (folder / "model.tflite").read_bytes()
    outputs, interpreter = run_litert(content, images)
    [taken] = interpreter.get_input_details()
    assert taken["quantization"] == (1.0, 0)
    spread = np.abs(expected - expected.mean(0)).mean()
    assert spread > 0.02
    assert np.abs(outputs - expected).mean() < 0.35 * spread
    # And both are near to what was given; what AlexNet, which has no
    # normalisation, answers to noise differs by less than 8 bits can tell.
    if not model.name.endswith("alexnet"):
        floats = model.predict(images.astype("float32"), verbose=0)
        assert np.mean(floats.argmax(1) == outputs.argmax(1)) > 0.6


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[] if name == "se_mobilenet" else pytest.mark.slow
        )
        for name in (
            "se_alexnet",
            "se_bn_inception",
            "se_inception_resnet_v2",
            "se_mobilenet",
            "se_resnet164",
            "se_resnext50",
            "se_shufflenet",
            "se_vgg16",
        )
    ],
)
def test_every_family_in_integers(name, tmp_path, rng):
    # Every layer rounds anew, and a random network makes more of that.
    network = shallow(small(name))
    size = max(size_of(network), 64)
    model = build(network, input_shape=(size, size, 3), classes=5)
    check_file_against_fake_quantisation(model, tmp_path, rng)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", GATES, ids=str)
def test_every_gate_in_integers(arguments, tmp_path, rng):
    model = build(variant(SMALLEST, **arguments), classes=5)
    check_file_against_fake_quantisation(model, tmp_path, rng)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ENDS, ids=str)
def test_normalisation_and_softmax_are_put_in(arguments, data, tmp_path):
    """The file takes pixels and gives probabilities, whatever the model."""
    made = build(SMALLEST, classes=4, **arguments)
    quantization_aware(made, data, tmp_path / "m.tflite", epochs=1)
    content = (tmp_path / "m.tflite").read_bytes()
    outputs, interpreter = run_litert(content, data[0][:4])
    [taken] = interpreter.get_input_details()
    assert taken["quantization"] == (1.0, 0)
    np.testing.assert_allclose(outputs.sum(1), 1, atol=0.02)


def test_a_gate_that_8_bits_do_not_have(model, data, tmp_path, monkeypatch):
    monkeypatch.setattr(keras2_process, "work", None)
    layer = keras_senet.SqueezeExcite(2, excitation="softplus", name="gate")
    x = layer(model.get_layer("conv1_relu").output)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(4, activation="softmax", name="predictions")(x)
    made = type(model)(model.input, x)
    made.card = model.card
    with pytest.raises(ValueError, match=r"gate_expand_softplus.* 8 bits"):
        quantization_aware(made, data, tmp_path / "m.tflite", epochs=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_half_of_every_kernel_is_zero(described, data, tmp_path):
    path, model = tmp_path / "m.tflite", described
    weights = model.get_weights()
    pruned = prune(model, data, path, epochs=10, batch_size=4)
    found = kernels(pruned)
    # 7 convolutions, 3 gates of two, and the classifier.
    assert len(found) == 14
    for kernel in found.values():
        assert np.sum(kernel == 0) == round(kernel.size * 0.5)
    sidecar = json.loads((tmp_path / "m.json").read_text())["model"]
    for card in (pruned.card.to_dict(), sidecar):
        assert_origin(card, "50 % pruned, 10 epochs")
    assert model.card.measured == {"top1": 0.91}
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    # It was trained, not only cut.
    assert np.abs(found["conv1_conv/kernel"]).sum() > 0
    outputs, interpreter = run_litert(path.read_bytes(), data[0][:8])
    expected = pruned.predict(data[0][:8].astype("float32"), verbose=0)
    np.testing.assert_allclose(outputs, expected, atol=1e-4)
    # The file has the zeros, also where normalisation is folded in.
    [kernel] = [
        interpreter.get_tensor(x["index"])
        for x in interpreter.get_tensor_details()
        if tuple(x["shape"]) == (64, 3, 3, 64)
    ]
    assert np.mean(kernel == 0) == 0.5


def test_every_kernel_has_few_values(described, data, tmp_path, caplog):
    path, model = tmp_path / "m.tflite", described
    with caplog.at_level("INFO", "keras_senet"):
        clustered = cluster(model, data, path, clusters=6, epochs=1)
    # The report, as other exports return it.
    size = f"{path.stat().st_size / 1e6:.2f} MB, float32"
    assert size in caplog.text
    assert "same class first" in caplog.text
    words = "kernels clustered to 6 values, 1 epoch"
    assert_origin(clustered.card.to_dict(), words)
    found = kernels(clustered)
    assert len(found) == 14
    for kernel in found.values():
        assert 1 < len(np.unique(kernel)) <= 6
    outputs, _ = run_litert(path.read_bytes(), data[0][:8])
    expected = clustered.predict(data[0][:8].astype("float32"), verbose=0)
    np.testing.assert_allclose(outputs, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("work", "arguments", "words"),
    [
        (prune, {"sparsity": 1.0}, "`sparsity` is 1.0"),
        (prune, {"sparsity": "half"}, "`sparsity` is 'half'"),
        (cluster, {"clusters": 1}, "`clusters` is 1"),
        (cluster, {"epochs": 0}, "`epochs` is 0"),
        (prune, {"batch_size": 1.5}, "`batch_size` is 1.5"),
        (quantization_aware, {"learning_rate": -1}, "`learning_rate` is -1"),
        (quantization_aware, {"images": 0}, "`images` is 0"),
        (quantization_aware, {"path": "m.bin"}, "ends in .tflite"),
    ],
)
def test_arguments_are_checked_first(
    work, arguments, words, model, data, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras2_process, "work", None)
    with pytest.raises(ValueError, match=words):
        work(model, data, **{"path": "m.tflite", **arguments})
    assert not list(tmp_path.iterdir())


def test_models_and_data_are_checked_first(model, data, tmp_path, monkeypatch):
    monkeypatch.setattr(keras2_process, "work", None)
    path = tmp_path / "m.tflite"
    images, labels = data
    for work in (quantization_aware, prune, cluster):
        for wrong in (
            (images / 255, labels),
            {"train": (images / 255, labels)},
        ):
            with pytest.raises(ValueError, match=r"divided by 255.*Multiply"):
                work(model, wrong, path)
    with pytest.raises(ValueError, match="Allowed: uint8"):
        prune(model, (images.astype("float32"), labels), path)
    model.card.class_names = ["a"]
    for work in (quantization_aware, prune, cluster):
        with pytest.raises(ValueError, match=r"`card.class_names` has 1 names"):
            work(model, data, path)
    model.card.class_names = None
    with pytest.raises(ValueError, match="classes"):
        prune(model, (images, labels + 7), path)
    with pytest.raises(ValueError, match="channels"):
        prune(model, (images[..., :1], labels), path)
    headless = keras_senet.SEResNet20(
        weights=None, include_top=False, pooling="avg", input_shape=(32, 32, 3)
    )
    with pytest.raises(ValueError, match="ends in softmax"):
        prune(headless, data, path)
    first = keras_senet.SEResNet20(weights=None, data_format="channels_first")
    with pytest.raises(ValueError, match="channels_first"):
        prune(first, data, path)
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_named(model, data, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "tf_keras" else find(name, *rest),
    )
    with pytest.raises(ImportError, match=r"tf_keras.*keras_senet\[qat\]"):
        quantization_aware(model, data, tmp_path / "m.tflite")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit('a few last words')", "code 1.*few last words"),
        ("import os; os.kill(os.getpid(), 9)", "by SIGKILL, as when the mem"),
    ],
)
def test_what_the_other_process_died_of(
    program, words, model, data, tmp_path, monkeypatch
):
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(keras2_process, "PROGRAM", tmp_path / "program.py")
    with pytest.raises(Keras2Error, match=words):
        prune(model, data, tmp_path / "m.tflite")
    assert not (tmp_path / "m.tflite").exists()


def test_an_interruption_ends_both_and_leaves_nothing(
    model, data, tmp_path, monkeypatch
):
    """As Ctrl-C, while the other process is at work."""
    (tmp_path / "program.py").write_text(
        "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    )
    monkeypatch.setattr(keras2_process, "PROGRAM", tmp_path / "program.py")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    said = []

    def interrupt(line):
        said.append(int(line))
        raise KeyboardInterrupt

    monkeypatch.setattr(keras2_process, "_show", interrupt)
    with pytest.raises(KeyboardInterrupt):
        quantization_aware(model, data, tmp_path / "m.tflite")
    with pytest.raises(ProcessLookupError):
        os.kill(said[0], 0)
    assert not list((tmp_path / "temporary").iterdir())
    assert not (tmp_path / "m.tflite").exists()


def test_what_is_printed(capfd):
    """Without a terminal a line an epoch alone."""
    keras2_process._show(" epoch 1/2 50%")
    keras2_process._show("epoch 1/2")
    assert capfd.readouterr().err == "epoch 1/2\n"


@pytest.mark.slow
@pytest.mark.data
def test_the_accuracy_on_real_images(data_dir, tmp_path):
    """8 bits answer as the weights that ship do, on real images."""
    model = keras_senet.SEResNet20(weights="cifar10")
    path = tmp_path / "m.tflite"
    quantization_aware(
        model, "tfds:cifar10", path, epochs=1, images=4000, learning_rate=2e-5
    )
    images = open_images("tfds:cifar10", "test").take(np.arange(2000))
    pixels = np.stack([images.read(number) for number in range(2000)])
    outputs, _ = run_litert(path.read_bytes(), pixels)
    expected = model.predict(pixels.astype("float32"), verbose=0)
    lost = np.mean(expected.argmax(1) == images.labels) - np.mean(
        outputs.argmax(1) == images.labels
    )
    assert lost <= 0.005
    assert np.mean(expected.argmax(1) == outputs.argmax(1)) > 0.97
