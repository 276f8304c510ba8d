"""Networks with the weights of timm's, against the logits of timm."""

import numpy as np
import pytest
from references import reference_weights

import keras_senet
from keras_senet.weights.dialects import torch_resnet
from keras_senet.weights.load import assign

PADDED = {"pool": "padded"}
NETWORKS = {
    "resnet50": ("resnet50", {"stride_on": "3x3", **PADDED}),
    "seresnet50": ("se_resnet50", {"stride_on": "3x3", **PADDED}),
    "resnext50_32x4d": ("resnext50", PADDED),
    "seresnext50_32x4d": ("se_resnext50", PADDED),
    "legacy_seresnet50": ("se_resnet50", {}),
    "legacy_seresnext50_32x4d": ("se_resnext50", {}),
}


def build(name, **changes):
    network, variant = NETWORKS[name]
    model = keras_senet.create_model(
        network,
        weights=None,
        input_shape=(None, None, 3),
        include_preprocessing=False,
        classifier_activation=None,
        **{**variant, **changes},
    )
    assign(model, torch_resnet(reference_weights.state_dict(name)), name)
    return model


def difference(model, name, size):
    expected = np.load(reference_weights.FOLDER / f"{name}.npz")
    expected = expected[f"logits_{size}"]
    images = reference_weights.images(name, size)
    logits = np.asarray(model.predict_on_batch(images))
    return np.abs(logits - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("name", list(NETWORKS))
def test_logits_are_those_of_timm(name):
    model = build(name)
    assert difference(model, name, 224) < 1e-5
    # An odd size: pools and pads that agree at even ones differ here.
    assert difference(model, name, 193) < 1e-5


def test_the_wrong_stride_or_pool_shows():
    wrong = build("legacy_seresnet50", stride_on="3x3")
    assert difference(wrong, "legacy_seresnet50", 224) > 1e-2
    wrong = build("legacy_seresnet50", pool="padded")
    assert difference(wrong, "legacy_seresnet50", 224) > 1e-2


def test_an_unknown_key_is_named():
    with pytest.raises(ValueError, match=r"'layer1.0.attn.weight'"):
        torch_resnet({"layer1.0.attn.weight": np.zeros(3)})
    with pytest.raises(ValueError, match="'features'"):
        torch_resnet({"features": np.zeros(3)})


def test_every_array_must_be_used():
    model = keras_senet.ResNet50(weights=None)
    arrays = torch_resnet(reference_weights.state_dict("seresnet50"))
    with pytest.raises(ValueError, match=r"it alone has .*_se/reduce_kernel"):
        assign(model, arrays, "seresnet50")
