"""HDF5 files of Keras 2, against the networks that they are of."""

import json

import h5py
import keras
import numpy as np
import pytest
from references import reference_weights
from weights.published_files import (
    applications,
    classification_models,
    keras2_layers,
    write_h5,
)

import keras_senet

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("reference", "network", "top"),
    [
        ("seresnet50", "se_resnet50", True),
        ("seresnet50", "se_resnet50", False),
        ("seresnext50", "se_resnext50", True),
        pytest.param("senet154", "senet154", True, marks=SLOW),
    ],
)
def test_classification_models(reference, network, top, tmp_path):
    data = np.load(
        reference_weights.FOLDER / f"classification_models_{reference}.npz"
    )
    rows = classification_models(reference)
    if not top:
        rows = [row for row in rows if not row[0].startswith("dense")]
    path = tmp_path / f"{reference}_imagenet_1000.h5"
    write_h5(path, rows)
    model = keras_senet.create_model(
        network,
        weights=None,
        input_shape=(None, None, 3),
        include_top=top,
        include_preprocessing=False,
        classifier_activation=None,
        # It pads its pool, unlike the Caffe networks whose weights it has.
        pool="padded",
    )
    keras_senet.convert_weights(path, model)
    images = reference_weights.images(reference, 65)
    if top:
        expected = data["logits_65"]
        found = np.asarray(model.predict_on_batch(images))
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    else:
        kernel = dict(rows[0][1])
        np.testing.assert_array_equal(
            model.get_layer("conv1_conv").kernel, next(iter(kernel.values()))
        )


def test_another_number_of_layers_is_refused(tmp_path):
    path = tmp_path / "seresnet50_imagenet_1000.h5"
    kernel = np.zeros((7, 7, 3, 64), "float32")
    write_h5(path, [("conv2d_9", [("conv2d_9/kernel:0", kernel)])])
    model = keras_senet.SEResNet50(weights=None)
    with pytest.raises(ValueError, match=r"1 layers where SE-ResNet-50 .* 85"):
        keras_senet.convert_weights(path, model)


@pytest.mark.parametrize(
    ("theirs", "ours", "mode", "size"),
    [
        ("ResNet50", "resnet50", "caffe", 65),
        ("MobileNet", "mobilenet", "tf", 64),
        pytest.param(
            *("InceptionResNetV2", "inception_resnet_v2", "tf", 107),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_keras_applications(theirs, ours, mode, size, tmp_path):
    model = applications(theirs, size)
    path = tmp_path / f"{theirs}.h5"
    write_h5(path, keras2_layers(model))
    # The file is one that Keras itself reads.
    again = applications(theirs, size)
    again.load_weights(path)
    images = np.random.default_rng(1).uniform(0, 255, (2, size, size, 3))
    prepared = keras.applications.imagenet_utils.preprocess_input(
        images.copy(), mode=mode
    )
    expected = np.asarray(again.predict_on_batch(prepared))
    found = keras_senet.create_model(
        ours,
        weights=None,
        input_shape=(size, size, 3),
        classifier_activation=None,
        normalization={"caffe": "caffe", "tf": "signed"}[mode],
        **({"pool": "padded"} if ours == "resnet50" else {}),
    )
    keras_senet.convert_weights(path, found)
    found = np.asarray(found.predict_on_batch(images))
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["huge", "external", "soft", "raw", "array"])
def test_headers_that_lie(kind, tmp_path):
    path = tmp_path / "lie.h5"
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file.create_dataset("kernel:0", data=np.zeros((7, 7, 3, 64)))
    with h5py.File(path, "w") as file:
        if kind == "array":
            file.create_dataset("conv1_conv", data=np.zeros(3))
        group = file.require_group("x" if kind == "array" else "conv1_conv")
        if kind == "huge":
            # Ten terabytes that are nowhere.
            group.create_dataset("kernel:0", (10**6, 10**6), "f8", chunks=True)
        elif kind == "external":
            group["kernel:0"] = h5py.ExternalLink(other, "kernel:0")
        elif kind == "soft":
            group["kernel:0"] = h5py.SoftLink("/conv1_conv")
        elif kind == "raw":
            group.create_dataset(
                "kernel:0", (64,), "f8", external=[(str(other), 0, 512)]
            )
    model = keras_senet.ResNet50(weights=None)
    with pytest.raises(ValueError, match=r"lie\.h5.*Nothing was loaded"):
        keras_senet.convert_weights(path, model)


def test_safetensors_headers_that_lie(tmp_path):
    path = tmp_path / "lie.safetensors"
    model = keras_senet.ResNet50(weights=None)
    for start, end, shape in (
        (0, 10**13, [10**13 // 4]),
        (0, 8, [10**9]),
        (10**6, 10**6 + 8, [2]),
    ):
        entry = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
        header = json.dumps({"conv1.weight": entry}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
        with pytest.raises(ValueError, match=r"lie\.safetensors.*Nothing was"):
            keras_senet.convert_weights(path, model)
    path.write_bytes((10**15).to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match=r"lie\.safetensors.*Nothing was"):
        keras_senet.convert_weights(path, model)


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.bin", "a.pkl", "a.ckpt"])
def test_pickles_are_never_opened(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    model = keras_senet.ResNet18(weights=None)
    with pytest.raises(ValueError, match=r"Pickles .* run code"):
        keras_senet.convert_weights(path, model)
