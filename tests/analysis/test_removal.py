"""Networks without blocks, against models that are built without them."""

import keras
import numpy as np
import pytest
from small import pictures

import keras_senet
from keras_senet.analysis import (
    accuracy_without,
    block_groups,
    excitations,
    gates,
    stage_groups,
    suggest,
)


@pytest.fixture
def model():
    return keras_senet.SEResNet20(weights="cifar10")


@pytest.fixture
def photos(rng):
    return pictures(rng, 24, 32)


def copied(model, **changes):
    """The network built with other blocks; all weights that both have."""
    made = keras_senet.SEResNet20(weights=None, **changes)
    for layer in made.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return made


def test_without_a_stage_it_is_the_network_built_without_it(model, photos):
    built = copied(model, se_stages=(2, 4))
    expected = built.predict_on_batch(photos).argmax(-1)
    before = model.predict_on_batch(photos).argmax(-1)
    assert len(set(before)) > 2
    assert (expected != before).any()
    # Labels by the model that is expected: it is always right.
    rows = accuracy_without(
        model, photos, expected, stage_groups(model), batch_size=7
    )
    assert [row["removed"] for row in rows] == [
        "none",
        "conv2",
        "conv3",
        "conv4",
    ]
    none, _, without, _ = rows
    assert without["top1"] == 1
    assert none["top1"] == (before == expected).mean()
    assert without["change"] == pytest.approx(1 - none["top1"])
    assert without["changed"] == (before != expected).mean()
    assert none["changed"] == none["parameters"] == 0
    assert without["parameters"] == 3 * (2 * 32 * 2 + 32 + 2)
    assert without["share"] == without["parameters"] / 272095


def test_constants_stand_for_the_gates(model, photos, rng):
    """The same network with a bias that makes these gates and no more."""
    name = "conv3_block2_se"
    constants = {name: rng.uniform(0.05, 0.95, 32)}
    fixed = copied(model)
    block = fixed.get_layer(name)
    block.expand_kernel.assign(np.zeros(block.expand_kernel.shape))
    block.expand_bias.assign(np.log(constants[name] / (1 - constants[name])))
    expected = fixed.predict_on_batch(photos).argmax(-1)
    before = model.predict_on_batch(photos).argmax(-1)
    assert (expected != before).any()
    rows = accuracy_without(
        model, photos, expected, {name: [name]}, constants, batch_size=24
    )
    assert rows[1]["top1"] == 1
    assert rows[0]["top1"] < 1


def test_the_model_is_left_as_it_was(model, photos):
    before = model.predict_on_batch(photos)
    gated = gates(model, photos)
    accuracy_without(model, photos, np.zeros(24, int), stage_groups(model))
    np.testing.assert_array_equal(model.predict_on_batch(photos), before)
    for name, values in gates(model, photos).items():
        np.testing.assert_array_equal(values, gated[name])


def test_channels_first_and_gates_per_position(rng):
    for changes in ({"squeeze": "none"}, {"data_format": "channels_first"}):
        first = "data_format" in changes
        if first and keras.backend.backend() == "tensorflow":
            continue
        model = keras_senet.SEResNet20(
            weights=None,
            input_shape=(3, 32, 32) if first else (32, 32, 3),
            **changes,
        )
        x = rng.uniform(0, 255, (4, *model.input_shape[1:])).astype("float32")
        found = excitations(model, x, [0, 1, 0, 1])
        means = {name: found.overall(name)[0] for name in found.mean}
        rows = accuracy_without(
            model, x, [0, 1, 2, 3], block_groups(model), means
        )
        assert len(rows) == 10


def test_suggested_are_those_that_cost_little():
    def row(name, change, parameters):
        return {"removed": name, "change": change, "parameters": parameters}

    rows = [
        row("none", 0.0, 0),
        row("small", 0.01, 10),
        row("large", -0.001, 1000),
        row("needed", -0.0011, 2000),
    ]
    assert suggest(rows) == ["large", "small"]
    assert suggest(rows, at_most=0.01) == ["needed", "large", "small"]


@pytest.mark.parametrize("right", [3, 500, 911])
def test_one_image_of_a_thousand_is_a_tenth_of_a_point(right):
    """0.91 - 0.911 is a little more than a thousandth in floating point."""
    change = (right - 1) / 1000 - right / 1000
    rows = [{"removed": "one", "change": change, "parameters": 1}]
    assert suggest(rows) == ["one"]


def test_a_frozen_model_loses_the_same(model, photos):
    arguments = photos, np.zeros(24, int), stage_groups(model)
    expected = accuracy_without(model, *arguments)
    model.trainable = False
    assert accuracy_without(model, *arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"groups": {"a": ["conv9_se"]}}, "no SE block 'conv9_se'"),
        ({"constants": {}}, "constants"),
        ({"constants": {"conv2_block1_se": np.ones(3)}}, "one per channel"),
        ({"labels": [0]}, "one label"),
    ],
)
def test_what_does_not_fit_is_an_error(model, photos, arguments, words):
    given = {
        "labels": np.zeros(24, int),
        "groups": {"first": ["conv2_block1_se"]},
        **arguments,
    }
    with pytest.raises(ValueError, match=words):
        accuracy_without(model, photos, **given)


def test_a_body_is_no_classifier(photos):
    body = keras_senet.SEResNet20(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    with pytest.raises(ValueError, match="no classifier"):
        accuracy_without(body, photos, np.zeros(24, int), block_groups(body))
