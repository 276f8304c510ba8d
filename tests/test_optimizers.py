"""The optimizer against Keras' own, on every route it takes."""

import keras
import numpy as np
import pytest

from keras_senet.optimizers import SGD


def trained(optimizer, dtype="float32", steps=20):
    """The weights after some steps, and the optimizer's own variables."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(8, "tanh", dtype=dtype)(inputs)
    outputs = keras.layers.Dense(3, dtype=dtype)(hidden)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer, "mse")
    random = np.random.default_rng(0)
    images = random.normal(size=(32, 6)).astype("float32")
    targets = random.normal(size=(32, 3)).astype("float32")
    for _ in range(steps):
        model.train_on_batch(images, targets)
    values = [*model.variables, *model.optimizer.variables]
    return [np.asarray(keras.ops.convert_to_numpy(v)) for v in values]


@pytest.mark.parametrize(
    "arguments",
    [
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "weight_decay": 0.01, "clipnorm": 0.5},
        {"momentum": 0.9, "use_ema": True, "ema_momentum": 0.5},
        {"momentum": 0.9, "gradient_accumulation_steps": 2},
        {},
        {
            "momentum": 0.9,
            "learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 20),
        },
    ],
    ids=lambda arguments: "-".join(arguments) or "plain",
)
def test_it_updates_as_keras_does(arguments):
    arguments = {"learning_rate": 0.1, **arguments}
    ours = trained(SGD(**arguments))
    theirs = trained(keras.optimizers.SGD(**arguments))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_the_kernel_is_used():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the fused kernel is TensorFlow's")
    import tensorflow as tf

    optimizer = SGD(0.1, momentum=0.9)
    variable = keras.Variable(np.ones(3, "float32"))
    optimizer.build([variable])

    @tf.function
    def step(gradient):
        optimizer.apply([gradient], [variable])

    graph = step.get_concrete_function(tf.ones(3)).graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert "ResourceApplyKerasMomentum" in kinds


def test_mixed_precision_keeps_variables_in_float32():
    ours = trained(SGD(0.1, momentum=0.9), "mixed_bfloat16")
    theirs = trained(keras.optimizers.SGD(0.1, momentum=0.9), "mixed_bfloat16")
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_under_a_strategy_it_is_keras_own():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("strategies are TensorFlow's")
    import tensorflow as tf

    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        ours = trained(SGD(0.1, momentum=0.9))
        theirs = trained(keras.optimizers.SGD(0.1, momentum=0.9))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_it_is_saved_with_a_model(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile(SGD(0.1, momentum=0.9, nesterov=True), "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is SGD
    assert loaded.optimizer.nesterov
    for one, other in zip(
        loaded.optimizer.variables, model.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
