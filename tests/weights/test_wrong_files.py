"""Files that are not what they seem change nothing and say why."""

import json
import zipfile

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

import keras_senet


def build(**arguments):
    return keras_senet.SEResNet20(**{"weights": None, **arguments})


@pytest.fixture
def saved(tmp_path):
    """A file of weights to spoil."""
    path = tmp_path / "a.weights.h5"
    build().save_weights(path)
    return path


def kernel_of(file, layer="predictions"):
    """The group of a layer's arrays."""
    for key in file["layers"]:
        group = file[f"layers/{key}/vars"]
        if group.attrs.get("name") == layer:
            return group
    raise KeyError(layer)


def refuse(path, words):
    model = build()
    before = model.get_weights()
    with pytest.raises(ValueError, match=words):
        keras_senet.convert_weights(path, model)
    for left, right in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_network_of_keras_applications_keeps_its_biases(tmp_path):
    """Its layers are called the same, and have one array more."""
    theirs = keras.applications.ResNet50(
        weights=None, input_shape=(64, 64, 3), classes=10
    )
    theirs.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match=r"2 arrays \(0, 1\) of conv1_conv"):
        keras_senet.ResNet50(weights=tmp_path / "a.weights.h5", classes=10)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_a_file_brings_the_graph_it_was_saved_from(suffix, tmp_path, rng):
    path = tmp_path / f"a{suffix}"
    graph = {"stride_on": "3x3", "pool": "padded", "output_scale": 2}
    arguments = {"input_shape": (64, 64, 3), "classes": 4}
    model = keras_senet.SEResNet50(weights=None, **graph, **arguments)
    (model.save if suffix == ".keras" else model.save_weights)(path)
    loaded = keras_senet.SEResNet50(weights=path, **arguments)
    assert loaded.card.record == model.card.record
    x = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    np.testing.assert_array_equal(
        model.predict_on_batch(x), loaded.predict_on_batch(x)
    )
    with pytest.raises(ValueError, match=r"stride_on='1x1' \(not '3x3'\)"):
        keras_senet.SEResNet50(weights=path, stride_on="1x1", **arguments)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_a_file_of_another_design_is_refused(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    model = build(placement="post", excitation="tanh")
    (model.save if suffix == ".keras" else model.save_weights)(path)
    with pytest.raises(ValueError, match=r"placement='standard' \(not 'post'"):
        build(weights=path)
    assert build(
        weights=path, placement="post", excitation="tanh"
    ).card.weights == str(path)


def test_a_saved_model_brings_its_class_names(tmp_path):
    model = build(classes=3)
    model.card.class_names = ["cat", "dog", "horse"]
    model.save(tmp_path / "a.keras")
    loaded = build(weights=tmp_path / "a.keras", classes=3)
    assert loaded.card.class_names == ["cat", "dog", "horse"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.full(10, np.nan), "no finite numbers"),
        (np.zeros(10, "V4"), "floating-point"),
        (np.zeros(10, "complex64"), "floating-point"),
        (np.zeros(10, "int32"), "floating-point"),
        (np.array([b"a"] * 10), "floating-point"),
    ],
)
def test_arrays_of_another_kind(value, words, saved):
    with h5py.File(saved, "a") as file:
        group = kernel_of(file)
        del group["1"]
        group["1"] = value
    refuse(saved, words)


@pytest.mark.parametrize("kind", ["external", "link", "soft", "group", "more"])
def test_arrays_that_lie_elsewhere(kind, saved, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(40))
    with h5py.File(saved, "a") as file:
        group = kernel_of(file)
        del group["1"]
        if kind == "external":
            group.create_dataset(
                "1", (10,), "f4", external=[(str(secret), 0, 40)]
            )
        elif kind == "link":
            group["1"] = h5py.ExternalLink(str(secret), "/x")
        elif kind == "soft":
            group["1"] = h5py.SoftLink("/layers")
        elif kind == "group":
            group.create_group("1")
        else:
            group["1"] = group["5"] = np.zeros(10, "f4")
    refuse(saved, "Nothing was loaded|is damaged")


def test_two_layers_of_one_name(saved):
    with h5py.File(saved, "a") as file:
        group = file.create_group("layers/zzz/vars")
        group.attrs["name"] = "predictions"
        group["0"], group["1"] = np.zeros((64, 10)), np.zeros(10)
    refuse(saved, "twice")


def test_two_heads_in_a_state_dict(tmp_path):
    path = tmp_path / "a.safetensors"
    head = {
        "fc.bias": np.zeros(10, "f4"),
        "last_linear.bias": np.ones(10, "f4"),
    }
    save_file(head, path)
    refuse(path, "two arrays for predictions/bias")


def test_a_model_file_that_unpacks_to_gigabytes(tmp_path):
    path = tmp_path / "bomb.keras"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("config.json", "w") as file,
    ):
        for _ in range(100):
            file.write(b" " * (1 << 20))
    with pytest.raises(ValueError, match="too long"):
        build(weights=path)


@pytest.mark.parametrize(
    "card", ["x", [1], {"network": 1}, {"normalization": "imagenet"}]
)
def test_a_model_file_with_a_spoiled_card(card, tmp_path):
    path = tmp_path / "a.keras"
    build().save(path)
    spoiled = tmp_path / "b.keras"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(spoiled, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["card"] = card
                content = json.dumps(config).encode()
            new.writestr(name, content)
    with pytest.raises(ValueError, match=r"b\.keras.*damaged"):
        build(weights=spoiled)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("crop", "x"),
        ("crop", 1e-9),
        ("input_size", 32),
        ("input_size", (10**6, 10**6)),
        ("interpolation", "nearest"),
        ("normalization", None),
        ("normalization", {"mean": [1], "std": [0]}),
        ("data_format", "x"),
        ("class_names", 5),
        ("class_names", "cats"),
        ("class_names", ["a", "b"]),
    ],
)
def test_a_spoiled_card_does_not_spoil_a_file(key, value, tmp_path):
    path = tmp_path / "a.keras"
    model = build()
    model.save(path)
    before = path.read_bytes()
    setattr(model.card, key, value)
    with pytest.raises(ValueError, match=f"card.{key}"):
        model.save(path, overwrite=True)
    assert path.read_bytes() == before


def test_numpy_values_on_a_card_are_saved(tmp_path):
    model = build(classes=2)
    model.card.class_names = np.array(["a", "b"])
    model.card.input_size = np.int64(32), np.int64(32)
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    assert loaded.card.class_names == ["a", "b"]


def test_bfloat16_files_load(tmp_path):
    model = build(dtype="bfloat16")
    model.save_weights(tmp_path / "a.weights.h5")
    loaded = build(weights=tmp_path / "a.weights.h5")
    for left, right in zip(
        model.get_weights(), loaded.get_weights(), strict=True
    ):
        assert left.dtype in (ml_dtypes.bfloat16, np.float32)
        np.testing.assert_array_equal(left.astype("float32"), right)


def test_an_adapter_before_the_network_is_no_part_of_its_weights(saved):
    inputs = keras.Input((32, 32, 4))
    adapted = keras.layers.Conv2D(3, 1, name="adapter")(inputs)
    model = build(weights=saved, input_tensor=adapted)
    assert model.input_shape == (None, 32, 32, 4)
    np.testing.assert_array_equal(
        model.get_layer("predictions").get_weights()[0],
        build(weights=saved).get_layer("predictions").get_weights()[0],
    )


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("a.safetensors", "from_timm"),
        ("a.caffemodel", "keras-senet convert"),
        ("x" * 5000 + ".keras", "does not exist"),
        ("", "Allowed"),
        (b"a.h5", "Allowed"),
        (".", "Allowed"),
    ],
)
def test_weights_that_are_none(weights, words):
    with pytest.raises(ValueError, match=words):
        build(weights=weights)
