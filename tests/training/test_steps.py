"""Steps of training against Keras' own optimizer, and numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_senet.data.mixing import mix
from keras_senet.distribution import make_strategy
from keras_senet.training import TrainConfig, schedule
from keras_senet.training.network import build_model
from keras_senet.training.step import Steps

BATCH = 8

pytestmark = pytest.mark.usefixtures("three_blocks")


def images(rng, steps):
    pixels = rng.integers(0, 255, (steps, BATCH, 32, 32, 3)).astype("uint8")
    return pixels, rng.integers(0, 4, (steps, BATCH)).astype("int32")


def config(**fields):
    arrays = (np.zeros((4, 32, 32, 3), "uint8"), np.arange(4))
    return TrainConfig(
        "se_resnet20",
        {"train": arrays, "test": arrays},
        "unused",
        **{
            "image_size": 32,
            "batch_size": BATCH,
            "learning_rate": 0.01,
            "weight_decay": 0.01,
            "steps_per_call": 3,
            **fields,
        },
    )


def train(settings, pixels, labels, phase="all", rates=None):
    """Steps of ours; the model and what was reported."""
    keras.utils.set_random_seed(3)
    strategy = make_strategy("one")
    from keras_senet.data.labelled import open_images

    model = build_model(settings, open_images(settings.data), strategy)
    steps = Steps(settings, model, strategy)
    batches = iter(tf.data.Dataset.from_tensor_slices((pixels, labels)))
    rows = []
    for start in range(0, len(pixels), settings.steps_per_call):
        stop = min(start + settings.steps_per_call, len(pixels))
        part = np.full(stop - start, settings.learning_rate)
        if rates is not None:
            part = rates[start:stop]
        rows.append(
            steps.run(batches, range(start, stop), phase, part, False)[0]
        )
    return steps, np.concatenate(rows)


def reference(settings, pixels, labels, **optimizer):
    """The same by Keras' optimizer, with the decay in the loss."""
    keras.utils.set_random_seed(3)
    import keras_senet

    model = keras_senet.SEResNet20(
        weights=None, classes=4, input_shape=(32, 32, 3)
    )
    sgd = keras.optimizers.SGD(settings.learning_rate, **optimizer)
    entropy = keras.losses.SparseCategoricalCrossentropy()
    losses = []
    for x, y in zip(pixels, labels, strict=True):
        with tf.GradientTape() as tape:
            loss = entropy(y, model(x.astype("float32"), training=True))
            kernels = [v for v in model.trainable_variables if v.ndim > 1]
            squares = sum(tf.reduce_sum(tf.square(v)) for v in kernels)
            total = loss + settings.weight_decay / 2 * squares
        variables = model.trainable_variables
        gradients = tape.gradient(total, [v.value for v in variables])
        sgd.apply(gradients, variables)
        losses.append(float(loss))
    return model, losses


@pytest.mark.parametrize("nesterov", [False, True])
def test_steps_are_those_of_keras(rng, nesterov):
    settings = config(nesterov=nesterov)
    pixels, labels = images(rng, 5)
    steps, rows = train(settings, pixels, labels)
    model, losses = reference(
        settings, pixels, labels, momentum=0.9, nesterov=nesterov
    )
    np.testing.assert_allclose(rows[:, 0], losses, rtol=2e-4)
    for ours, theirs in zip(
        steps.model.get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-4)


def test_a_batch_in_parts_has_the_gradient_of_the_whole(rng):
    """Where normalisation, which sees the parts, is fixed."""
    pixels, labels = images(rng, 3)
    whole, rows = train(config(), pixels, labels, "frozen_norm")
    parts, rows_of_parts = train(
        config(accumulation=4), pixels, labels, "frozen_norm"
    )
    np.testing.assert_allclose(rows, rows_of_parts, rtol=1e-5)
    for one, other in zip(
        whole.model.get_weights(), parts.model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_first_phase_trains_the_classifier_alone(rng):
    pixels, labels = images(rng, 2)
    steps, _ = train(config(), pixels, labels, "head")
    fresh, _ = train(config(learning_rate=1e-30), pixels, labels, "head")
    for layer, other in zip(
        steps.model.layers, fresh.model.layers, strict=True
    ):
        for one, two in zip(
            layer.get_weights(), other.get_weights(), strict=True
        ):
            assert (layer.name == "predictions") == bool((one != two).any())


def test_clipping_bounds_the_step(rng):
    pixels, labels = images(rng, 1)
    fields = {"clip_norm": 0.1, "weight_decay": 0.0, "momentum": 0.0}
    steps, _ = train(config(**fields), pixels, labels, rates=np.ones(1))
    fresh, _ = train(config(**fields), pixels, labels, rates=np.zeros(1))
    moved = [
        (a - b).ravel()
        for a, b in zip(
            map(keras.ops.convert_to_numpy, steps.variables),
            map(keras.ops.convert_to_numpy, fresh.variables),
            strict=True,
        )
    ]
    assert np.linalg.norm(np.concatenate(moved)) == pytest.approx(0.1, 1e-3)


def test_averages_are_those_of_numpy(rng):
    pixels, labels = images(rng, 4)
    settings = config(ema=0.5, steps_per_call=1)
    averaged, keeps = None, [min(0.5, (1 + k) / (10 + k)) for k in range(4)]
    for count in range(1, 5):
        steps, _ = train(settings, pixels[:count], labels[:count])
        value = keras.ops.convert_to_numpy(steps.variables[0])
        if averaged is None:
            fresh, _ = train(settings, pixels[:1], labels[:1], rates=[0.0])
            averaged = keras.ops.convert_to_numpy(fresh.variables[0])
        keep = keeps[count - 1]
        averaged = keep * averaged + (1 - keep) * value
    ours = keras.ops.convert_to_numpy(steps.averages[0])
    np.testing.assert_allclose(ours, averaged, rtol=1e-5, atol=1e-7)


def test_float16_skips_what_overflows_and_goes_on(rng):
    pixels, labels = images(rng, 3)
    steps, rows = train(
        config(precision="mixed_float16", steps_per_call=1), pixels, labels
    )
    assert np.isfinite(rows).all()
    scale, good = (float(v.numpy()) for v in steps.state()["scale"])
    assert (scale, good) == (2.0**15, 3.0)
    # Where gradients are not finite nothing changes but the scale.
    before = steps.model.trainable_variables[0].numpy()
    steps.state()["scale"][0].assign(2.0**127)
    batches = iter(tf.data.Dataset.from_tensor_slices((pixels, labels)))
    steps.run(batches, range(3, 4), "all", np.array([0.1]), False)
    scale, good = (float(v.numpy()) for v in steps.state()["scale"])
    assert (scale, good) == (2.0**126, 0.0)
    after = steps.model.trainable_variables[0].numpy()
    np.testing.assert_array_equal(before, after)


def test_loss_and_ranks_are_reported(rng):
    pixels, labels = images(rng, 1)
    _, rows = train(config(label_smoothing=0.1), pixels, labels, rates=[0.0])
    keras.utils.set_random_seed(3)
    import keras_senet

    model = keras_senet.SEResNet20(
        weights=None, classes=4, input_shape=(32, 32, 3)
    )
    scores = np.asarray(model(pixels[0].astype("float32"), training=True))
    targets = np.eye(4)[labels[0]] * 0.9 + 0.1 / 4
    loss = -(targets * np.log(scores)).sum(axis=1).mean()
    right = (scores.argmax(axis=1) == labels[0]).sum()
    np.testing.assert_allclose(rows[0], [loss, right, BATCH], rtol=1e-4)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0), (0, 1.0), (0.4, 1.0)])
def test_mixed_images_and_their_targets(rng, mixup, cutmix):
    pixels = np.zeros((4, 16, 20, 3), "float32")
    pixels[2:] = 100
    targets = np.eye(4, dtype="float32")
    kinds = set()
    for seed in range(30):
        x, y = mix(pixels, targets, (seed, 0), mixup, cutmix)
        x, y = x.numpy(), y.numpy()
        np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(y + y[::-1], targets + targets[::-1])
        # The part of an image that is its own is that of its label.
        np.testing.assert_allclose(
            x[2].mean() / 100, y[2, 2], rtol=1e-4, atol=1e-5
        )
        kinds.add("cutmix" if set(np.unique(x)) <= {0, 100} else "mixup")
    alphas = {"mixup": mixup, "cutmix": cutmix}
    assert kinds == {name for name, alpha in alphas.items() if alpha}


def test_the_paper_s_rates():
    settings = TrainConfig(
        "se_resnet50",
        "tfds:imagenet2012",
        batch_size=1024,
        learning_rate=0.6,
        epochs=100,
    )
    count = 1281167
    for epoch, factor in ((0, 1), (29.9, 1), (30.1, 0.1), (60.1, 0.01)):
        step = schedule.step_at(settings, epoch, count)
        rate = schedule.rates(settings, range(step, step + 1), count)[0]
        assert rate == pytest.approx(factor)


def test_cosine_after_a_warm_up():
    settings = config(schedule="cosine", epochs=10, warmup_epochs=2)
    rates = schedule.rates(settings, range(100), 80)
    assert rates[:20] == pytest.approx((np.arange(20) + 1) / 21)
    places = np.arange(80) / 80
    assert rates[20:] == pytest.approx(
        (1 + np.cos(np.pi * places)) / 2, abs=1e-6
    )


def test_phases_in_order():
    settings = config(epochs=10, head_epochs=2, frozen_norm_epochs=3)
    assert schedule.phases(settings, 80) == [
        (0, "head"),
        (20, "all"),
        (70, "frozen_norm"),
    ]
    assert schedule.phases(config(), 80) == [(0, "all")]
