"""The gates of whole networks, against plain numpy."""

import keras
import numpy as np
import pytest
from small import pictures, size_of, small

import keras_senet
from keras_senet.analysis import excitations, gates, role
from keras_senet.analysis.excitation import Excitations
from keras_senet.architectures.build import build


def randomized(model, rng):
    """Weights with which the gates differ from image to image."""
    for layer in model.layers:
        if isinstance(layer, keras_senet.SqueezeExcite):
            for variable in layer.weights:
                scale = 1 / np.sqrt(np.prod(variable.shape[:-1]))
                values = scale * rng.standard_normal(variable.shape)
                # Bottlenecks of a single channel stay open.
                opened = variable.name == "reduce_bias"
                variable.assign(abs(values) if opened else values)
    return model


def numpy_gates(x, layer):
    """Equations 2 to 4 of the paper, on a channels-last map."""
    arrays = {
        variable.name: keras.ops.convert_to_numpy(variable).astype("float64")
        for variable in layer.weights
    }
    if layer.squeeze == "none":
        z = x
    else:
        z = x.mean((1, 2)) if layer.squeeze == "avg" else x.max((1, 2))
    hidden = z @ arrays["reduce_kernel"][0, 0] + arrays["reduce_bias"]
    hidden = np.maximum(hidden, 0)
    found = hidden @ arrays["expand_kernel"][0, 0] + arrays["expand_bias"]
    found = 1 / (1 + np.exp(-found))
    return found.mean((1, 2)) if layer.squeeze == "none" else found


def model_and_images(rng, count, name="se_resnet20", **options):
    network = small(name)
    size = size_of(network)
    model = build(network, input_shape=(size, size, 3), **options)
    x = pictures(rng, count, size)
    return randomized(model, rng), x


@pytest.mark.parametrize(
    "name", ["se_resnet20", "se_vgg16", "se_inception_resnet_v2"]
)
def test_gates_are_numpys(name, rng):
    model, x = model_and_images(rng, 5, name)
    found = gates(model, x, batch_size=2)
    blocks = [
        layer
        for layer in model.layers
        if isinstance(layer, keras_senet.SqueezeExcite)
    ]
    assert list(found) == [layer.name for layer in blocks]
    differences = []
    for layer in blocks:
        probe = keras.Model(model.input, layer.input)
        expected = numpy_gates(probe.predict_on_batch(x), layer)
        differences.append(expected.std(0).max())
        np.testing.assert_allclose(found[layer.name], expected, atol=2e-5)
    assert np.median(differences) > 3e-3


@pytest.mark.parametrize("squeeze", ["max", "none"])
def test_gates_of_other_squeezes_are_numpys(squeeze, rng):
    model = randomized(
        keras_senet.SEResNet20(weights=None, squeeze=squeeze), rng
    )
    x = pictures(rng, 3, 32)
    found = gates(model, x)
    layer = model.get_layer("conv3_block2_se")
    probe = keras.Model(model.input, layer.input)
    expected = numpy_gates(probe.predict_on_batch(x), layer)
    np.testing.assert_allclose(found[layer.name], expected, atol=1e-4)


def test_gates_explain_the_outputs_of_each_block(rng):
    """Output of a block = its input times its gates."""
    model, x = model_and_images(rng, 4)
    for name, values in gates(model, x).items():
        layer = model.get_layer(name)
        probe = keras.Model(model.input, [layer.input, layer.output])
        before, after = probe.predict_on_batch(x)
        np.testing.assert_allclose(
            after, before * values[:, None, None], atol=1e-4
        )


def test_statistics_are_numpys(rng):
    """Batches of any size, a class without an image, one with a single one."""
    model, x = model_and_images(rng, 23)
    labels = np.array([0, 4, 3] + [0, 1, 1, 3] * 5)
    each = gates(model, x)
    as_batches = (x[start : start + 5] for start in range(0, 23, 5))
    for found in (
        excitations(model, x, labels, batch_size=7),
        excitations(model, as_batches, labels),
    ):
        np.testing.assert_array_equal(found.images, np.bincount(labels))
        for name, values in each.items():
            values = values.astype("float64")
            for label in (0, 1, 3, 4):
                some = values[labels == label]
                for ours, numpys in (
                    (found.mean[name][label], some.mean(0)),
                    (found.std[name][label], some.std(0)),
                ):
                    np.testing.assert_allclose(ours, numpys, atol=2e-7)
            assert np.isnan(found.mean[name][2]).all()
            assert np.isnan(found.std[name][2]).all()
            mean, std = found.overall(name)
            np.testing.assert_allclose(mean, values.mean(0), atol=2e-7)
            np.testing.assert_allclose(std, values.std(0), atol=2e-7)
            for part, target in ((found.closed, 0), (found.open, 1)):
                near = (np.abs(values - target) <= 0.1).mean(0)
                # A gate may lie on the border.
                np.testing.assert_allclose(part[name], near, atol=0.05)


def test_images_are_read_a_batch_at_a_time(rng):
    """No batch is kept: of each only its gates are."""
    import weakref

    model, _ = model_and_images(rng, 1)
    alive = []

    def stream():
        for _ in range(6):
            part = np.zeros((2, 32, 32, 3), "float32")
            alive.append(weakref.ref(part))
            yield part
            del part
            assert sum(one() is not None for one in alive) <= 2

    excitations(model, stream(), np.arange(12) % 3)


def test_the_role_of_made_up_gates(rng):
    """A block that says the class alone, one that says nothing of it."""
    means = rng.uniform(0.2, 0.4, (3, 50)) + [[0], [0.2], [0.4]]
    found = Excitations(
        network="made up",
        images=np.array([10, 10, 20]),
        mean={"class": means, "image": np.tile(means[:1], (3, 1))},
        std={"class": np.zeros((3, 50)), "image": np.full((3, 50), 0.1)},
        closed={"class": np.zeros(50), "image": np.full(50, 0.25)},
        open={"class": np.zeros(50), "image": np.linspace(0, 1, 50)},
    )
    one, other = role(found)
    assert one["class_share"] == pytest.approx(1)
    assert other["class_share"] == pytest.approx(0)
    pairs = [np.corrcoef(means)[i, j] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert one["correlation"] == pytest.approx(np.mean(pairs))
    assert other["correlation"] == pytest.approx(1)
    assert (one["constant"], other["constant"]) == (0, 1)
    assert (other["closed"], other["open"]) == (0.25, pytest.approx(0.5))
    assert other["std"] == pytest.approx(0.1)


def test_a_dead_block_is_the_same_for_every_image(rng):
    """Its bottleneck is closed by its bias, so that gates are constant."""
    model, x = model_and_images(rng, 6)
    model.get_layer("conv2_block2_se").reduce_bias.assign([-1e6])
    rows = {
        row["block"]: row for row in role(excitations(model, x, [0, 1] * 3))
    }
    assert rows["conv2_block2_se"]["std"] < 1e-6
    assert np.isnan(rows["conv2_block2_se"]["class_share"])
    assert rows["conv3_block1_se"]["class_share"] > 0


def test_a_network_without_blocks_is_an_error():
    with pytest.raises(ValueError, match="no SqueezeExcite layer"):
        gates(keras_senet.ResNet20(weights=None), np.zeros((1, 32, 32, 3)))


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.zeros((32, 32, 3)), [0] * 32, "a batch"),
        (np.zeros((2, 32, 32, 3)), [0], "more images"),
        (np.zeros((1, 32, 32, 3)), [0, 1], "fewer images"),
        ([np.zeros((2, 32, 32, 3))], [0], "more images"),
        ([np.zeros((2, 32, 32, 3))], [0] * 3, "fewer images"),
        ([], [0], "no image"),
        (np.zeros((1, 32, 32, 3)), [0.5], "integers"),
        (np.zeros((1, 32, 32, 3)), [-1], "from 0 on"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_errors(images, labels, words):
    with pytest.raises(ValueError, match=words):
        excitations(keras_senet.SEResNet20(weights=None), images, labels)
