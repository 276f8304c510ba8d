"""The authors' Caffe models, against what their prototxt computes."""

import re

import numpy as np
import pytest
from references import caffe_model, reference_weights
from weights.published_files import caffe_layers

import keras_senet
from keras_senet.preprocessing import class_names, wordnet_ids
from keras_senet.weights.dialects.caffe import standard_order

# What Caffe multiplies its statistics with, as it trains.
FACTOR = 999.98


def logits(model, images):
    # The reference takes BGR.
    return np.asarray(model.predict_on_batch(images[..., ::-1]))


def test_logits_are_those_of_the_authors_network(tmp_path):
    name = "caffe_se_bn_inception"
    path = tmp_path / "SE-BN-Inception.caffemodel"
    caffe_model.write(
        path, caffe_layers(reference_weights.state_dict(name), FACTOR)
    )
    model = keras_senet.SEBNInception(
        weights=None, include_preprocessing=False, classifier_activation=None
    )
    keras_senet.convert_weights(path, model)
    expected = np.load(reference_weights.FOLDER / f"{name}.npz")["logits_224"]
    found = logits(model, reference_weights.images(name, 224))
    expected = expected[:, standard_order()]
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def caffe_names(state):
    """The names of Cadene's port of SE-ResNet-50 turned back to Caffe's."""
    parts = {
        "conv1": "1x1_reduce",
        "conv2": "3x3",
        "conv3": "1x1_increase",
        "downsample.0": "1x1_proj",
        "se_module.fc1": "1x1_down",
        "se_module.fc2": "1x1_up",
    }
    norms = {"bn1": "conv1", "bn2": "conv2", "bn3": "conv3"}
    norms["downsample.1"] = "downsample.0"
    for key, array in state.items():
        module, _, suffix = key.rpartition(".")
        if suffix == "num_batches_tracked":
            continue
        block = re.fullmatch(r"layer([1-4])\.(\d+)\.(.+)", module)
        if block:
            stage, index, part = block.groups()
            layer = f"conv{int(stage) + 1}_{int(index) + 1}_"
            layer += parts[norms.get(part, part)]
            is_norm = part in norms
        else:
            layer = {"last_linear": "classifier"}.get(module, "conv1/7x7_s2")
            is_norm = module == "layer0.bn1"
        if is_norm:
            layer += "/bn" if suffix.startswith("running") else "/bn/scale"
        yield f"{layer}.{suffix}", array


def test_a_residual_network(tmp_path):
    """Cadene's port of SE-ResNet-50 turned back into a Caffe model."""
    name = "legacy_seresnet50"
    state = dict(caffe_names(reference_weights.state_dict(name)))
    key = "conv1/7x7_s2.weight"
    state[key] = state[key][:, ::-1]
    inverse = np.argsort(standard_order())
    for key in ("classifier.weight", "classifier.bias"):
        state[key] = state[key][inverse]
    path = tmp_path / "SE-ResNet-50.caffemodel"
    caffe_model.write(path, caffe_layers(state, FACTOR))
    model = keras_senet.SEResNet50(
        weights=None, include_preprocessing=False, classifier_activation=None
    )
    keras_senet.convert_weights(path, model)
    expected = np.load(reference_weights.FOLDER / f"{name}.npz")["logits_224"]
    images = reference_weights.images(name, 224)
    found = np.asarray(model.predict_on_batch(images))
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_class_order():
    """Facts of the devkit's order: its first classes, by WordNet."""
    order = standard_order()
    ids = wordnet_ids()
    assert sorted(order) == list(range(1000))
    position = dict(zip(ids, order, strict=True))
    # Line k of the authors' synset list: kit fox, English setter, Siberian
    # husky come first there; tench stands at 0 in the usual order.
    assert [position[i] for i in ("n02119789", "n02100735", "n02110185")] == [
        0,
        1,
        2,
    ]
    names = dict(zip(ids, class_names("imagenet"), strict=True))
    assert names["n02119789"] == "kit fox"
    assert position["n01440764"] != 0


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([("conv9/1x1", "Convolution", [np.zeros((1, 1, 1, 1))])], "conv9/1x1"),
        ([("conv1/7x7_s2", "Convolution", [np.zeros(1)] * 3)], "7x7_s2:2"),
        ([], "no layers"),
    ],
)
def test_bad_files(layers, words, tmp_path):
    path = tmp_path / "bad.caffemodel"
    caffe_model.write(path, layers)
    with pytest.raises(ValueError, match=words):
        keras_senet.convert_weights(path, keras_senet.SEResNet50(weights=None))


def test_a_truncated_file(tmp_path):
    path = tmp_path / "cut.caffemodel"
    layers = [("conv1/7x7_s2", "Convolution", [np.zeros((64, 3, 7, 7))])]
    caffe_model.write(path, layers)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cut\.caffemodel"):
        keras_senet.convert_weights(path, keras_senet.SEResNet50(weights=None))
