"""The names of the layers: people slice networks by them."""

import keras
import pytest

import keras_senet
from keras_senet.architectures.build import build
from keras_senet.architectures.table import NETWORKS


def test_names_are_those_of_keras_applications():
    """Where both have a layer it has the same name."""
    ours = {x.name for x in build(NETWORKS["resnet50"]).layers}
    theirs = keras.applications.ResNet50(weights=None)
    # Keras ends a block in `_out`, and both of its ReLUs are Activations.
    for layer in theirs.layers:
        name = layer.name.replace("_out", "_relu")
        if name != "input_layer" and "keras_tensor" not in name:
            assert name in ours or "input" in name, name


@pytest.mark.slow
def test_every_layer_is_named():
    """No name is one that Keras made up and would number otherwise."""
    for name in ("se_inception_resnet_v2", "se_shufflenet", "se_resnet20"):
        first = [x.name for x in build(NETWORKS[name]).layers]
        second = [x.name for x in build(NETWORKS[name]).layers]
        assert first == second


def test_names_by_which_one_slices():
    model = keras_senet.SEResNet50(weights=None)
    for name in (
        "image",
        "normalization",
        "conv1_conv",
        "conv2_block1_0_conv",
        "conv2_block3_se",
        "conv3_block4_relu",
        "conv5_block3_add",
        "avg_pool",
        "predictions",
    ):
        assert model.get_layer(name).name == name
