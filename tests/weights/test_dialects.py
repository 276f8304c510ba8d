"""Weights in the layouts of other projects, against what these compute."""

import numpy as np
import pytest
from references import reference_weights
from safetensors.numpy import save_file

import keras_senet
from keras_senet.weights.dialects import torch
from keras_senet.weights.load import assign

TIMM = [
    "resnet50",
    "seresnet50",
    "resnext50_32x4d",
    "seresnext50_32x4d",
    "legacy_seresnet50",
    "legacy_seresnext50_32x4d",
    "inception_resnet_v2",
    "vgg16_bn",
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Name -> safetensors file with the reference's weights, as timm's."""
    folder = tmp_path_factory.mktemp("timm")

    def write(name):
        path = folder / f"{name}.safetensors"
        if not path.exists():
            save_file(reference_weights.state_dict(name), path)
        return path

    return write


def build(files, name, size=None, **keywords):
    return keras_senet.from_timm(
        name,
        files(name),
        input_shape=(size, size, 3),
        include_preprocessing=False,
        classifier_activation=None,
        **keywords,
    )


def difference(model, name, size):
    expected = np.load(reference_weights.FOLDER / f"{name}.npz")
    expected = expected[f"logits_{size}"]
    images = reference_weights.images(name, size)
    logits = np.asarray(model.predict_on_batch(images))
    return np.abs(logits - expected).max() / np.abs(expected).max()


def sizes(name):
    """Two image sizes, of which one is odd."""
    # timm pools VGG's last map to 7x7 at any size; its own needs 224.
    reference = np.load(reference_weights.FOLDER / f"{name}.npz")
    found = [int(k[7:]) for k in reference.files if k.startswith("logits_")]
    return [224] if name == "vgg16_bn" else found


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.slow
            if name in ("inception_resnet_v2", "vgg16_bn")
            else (),
        )
        for name in TIMM
    ],
)
def test_logits_are_those_of_timm(files, name):
    size = 224 if name == "vgg16_bn" else None
    model = build(files, name, size)
    assert len(sizes(name)) == (1 if size else 2)
    for size in sizes(name):
        # An odd size: pools and pads that agree at even ones differ there.
        assert difference(model, name, size) < 1e-5


def test_the_wrong_stride_or_pool_shows():
    arrays = reference_weights.state_dict("legacy_seresnet50")
    for wrong in ({"stride_on": "3x3"}, {"pool": "padded"}):
        model = keras_senet.SEResNet50(
            weights=None,
            include_preprocessing=False,
            classifier_activation=None,
            **wrong,
        )
        network = keras_senet.find_network("se_resnet50")
        assign(model, torch(arrays, network), "legacy_seresnet50")
        assert difference(model, "legacy_seresnet50", 224) > 1e-2


def test_deep_stems_are_renamed():
    """timm's senet154 is a sequence, Cadene's has names."""
    network = keras_senet.find_network("senet154")
    for keys in (
        ["conv1.0", "conv1.1", "conv1.3", "conv1.4", "conv1.6", "bn1"],
        [f"layer0.{part}{n}" for n in (1, 2, 3) for part in ("conv", "bn")],
    ):
        arrays = {
            f"{key}.weight": np.full((1,) * (1 if index % 2 else 4), index)
            for index, key in enumerate(keys)
        }
        translated = torch(arrays, network)
        assert {k: v.item() for k, v in translated.items()} == {
            "conv1_1_conv/kernel": 0,
            "conv1_1_bn/gamma": 1,
            "conv1_2_conv/kernel": 2,
            "conv1_2_bn/gamma": 3,
            "conv1_3_conv/kernel": 4,
            "conv1_3_bn/gamma": 5,
        }


@pytest.mark.parametrize(
    "key", ["layer1.0.attn.weight", "features", "layer1.0.conv1.gain"]
)
def test_an_unknown_key_is_named(key):
    network = keras_senet.find_network("resnet50")
    with pytest.raises(ValueError, match=key):
        torch({key: np.zeros(3)}, network)


def test_every_array_must_be_used_and_every_variable_filled(tmp_path):
    arrays = reference_weights.state_dict("seresnet50")
    path = tmp_path / "model.safetensors"
    save_file(arrays, path)
    with pytest.raises(ValueError, match=r"it alone has .*_se/reduce_kernel"):
        keras_senet.from_timm("resnet50", path)
    save_file(
        {k: v for k, v in arrays.items() if "layer2.3.bn1" not in k}, path
    )
    with pytest.raises(ValueError, match="lacks conv3_block4_1_bn/gamma"):
        keras_senet.from_timm("seresnet50", path)
    arrays["layer1.0.conv2.weight"] = np.zeros((64, 64, 1, 1), "float32")
    save_file(arrays, path)
    with pytest.raises(ValueError, match=r"conv2_block1_2_conv/kernel in"):
        keras_senet.from_timm("seresnet50", path)


def test_the_classes_are_those_of_the_file(files, tmp_path, caplog):
    arrays = reference_weights.state_dict("seresnet50")
    arrays["fc.weight"] = arrays["fc.weight"][:37]
    arrays["fc.bias"] = arrays["fc.bias"][:37]
    path = tmp_path / "flowers.safetensors"
    save_file(arrays, path)
    model = keras_senet.from_timm("seresnet50", path)
    assert model.output_shape == (None, 37)
    assert not caplog.text
    other = keras_senet.from_timm("seresnet50", path, classes=5)
    assert other.output_shape == (None, 5)
    assert "its classifier has 37 classes" in caplog.text
    body = keras_senet.from_timm("seresnet50", path, include_top=False)
    for m in (other, body):
        np.testing.assert_array_equal(
            m.get_layer("conv5_block3_3_conv").kernel,
            model.get_layer("conv5_block3_3_conv").kernel,
        )


def test_a_timm_network_says_what_it_is(files):
    model = keras_senet.from_timm("seresnet50.ra2_in1k", files("seresnet50"))
    assert model.card.record["stride_on"] == "3x3"
    assert model.card.record["pool"] == "padded"
    assert model.card.crop == 0.875
    assert model.card.interpolation == "bicubic"
    # Nobody says that a local file is the one whose accuracy was published.
    assert model.card.published is None
    assert model.card.weights == "seresnet50.ra2_in1k"


@pytest.mark.parametrize(
    ("name", "keywords", "words"),
    [
        ("resnet26d", {}, ["timm calls 'resnet26d'", "seresnet50", "vgg16_bn"]),
        ("seresnet5", {}, ["Did you mean seresnet50"]),
        ("resnet50.b_in1k", {}, ["'resnet50.b_in1k'", "resnet50.a1_in1k"]),
        ("seresnet101", {}, ["'seresnet101'", "none of this network"]),
        ("resnet50", {"stride_on": "1x1"}, ["`stride_on` is '1x1'", "'3x3'"]),
        ("resnet50", {"weights": None}, ["no argument of from_timm"]),
        ("resnet50", {"path": "a.pth"}, ["'a.pth'", "pickles"]),
        ("resnet50", {"path": "none.safetensors"}, ["does not exist"]),
    ],
)
def test_bad_names_of_timm(name, keywords, words):
    with pytest.raises(ValueError) as error:
        keras_senet.from_timm(name, **keywords)
    for word in words:
        assert word in str(error.value)


@pytest.mark.slow
def test_every_architecture_of_timm_builds():
    from keras_senet.timm import ARCHITECTURES

    for network, geometry, _ in ARCHITECTURES.values():
        if "154" in network or "101" in network or "152" in network:
            continue
        keras_senet.create_model(network, weights=None, **geometry)
