"""SE blocks in other networks: same outputs, right places, whole copies."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops
from small import size_of, small

import keras_senet
from keras_senet import SqueezeExcite
from keras_senet.architectures.build import build
from keras_senet.surgery import add_squeeze_excite


def randomize(model, rng):
    """Weights that no two layers share, and statistics that matter."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(0.1 * rng.standard_normal(shape))
            layer.moving_variance.assign(rng.uniform(0.5, 1.5, shape))


def blocks_of(model):
    return [x for x in model.layers if isinstance(x, SqueezeExcite)]


def maker(x):
    """The name of the layer or operation that makes a tensor."""
    return x._keras_history.operation.name


def run(model, x):
    return keras.tree.map_structure(
        ops.convert_to_numpy, model(x, training=False)
    )


def check_equal(model, copy, x):
    expected = run(model, x)
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        run(copy, x),
        expected,
    )
    assert all(np.std(y) > 1e-4 for y in keras.tree.flatten(expected))


def residual(data_format="channels_last", **kwargs):
    """A small network with an identity and a projection shortcut."""
    first = data_format == "channels_first"
    conv = {"padding": "same", "data_format": data_format}
    axis = 1 if first else -1
    inputs = keras.Input((3, 8, 8) if first else (8, 8, 3))
    stem = layers.Conv2D(8, 3, name="stem", **conv)(inputs)
    x = layers.Conv2D(8, 3, name="a_1", **conv)(stem)
    x = layers.BatchNormalization(axis=axis, name="a_bn")(x)
    x = layers.Add(name="a_add")([stem, x])
    shortcut = layers.Conv2D(16, 1, name="b_0", **conv)(x)
    x = layers.Conv2D(16, 3, name="b_1", **conv)(x)
    x = layers.BatchNormalization(axis=axis, name="b_bn")(x)
    # The residual first, which the order must not decide.
    x = layers.Add(name="b_add")([x, shortcut])
    x = layers.GlobalAveragePooling2D(data_format=data_format)(x)
    return keras.Model(inputs, layers.Dense(5, name="top")(x), **kwargs)


@pytest.fixture
def model(rng):
    model = residual()
    randomize(model, rng)
    return model


@pytest.fixture
def x(rng):
    return rng.standard_normal((2, 8, 8, 3)).astype("float32")


# Number of blocks by the networks' papers: ResNet-50 has 16 residual units,
# MobileNetV2 10 of stride 1 between maps of equal width, EfficientNet-B0 9,
# DenseNet-121 6 + 12 + 24 + 16 layers, each of which concatenates. Inception-v3
# has 11 modules; Keras' two last ones concatenate two parts of themselves.
@pytest.mark.parametrize(
    ("name", "arguments", "count", "place", "made_by"),
    [
        ("ResNet50", {}, 16, "conv2_block1_add", "conv2_block1_3_bn"),
        ("ResNet50V2", {}, 16, "conv3_block1_out", "conv3_block1_3_conv"),
        (
            "MobileNetV2",
            {"alpha": 0.35},
            10,
            "block_2_add",
            "block_2_project_BN",
        ),
        ("EfficientNetB0", {}, 9, "block2b_add", "block2b_drop"),
        pytest.param(
            *("DenseNet121", {}, 58),
            *["conv2_block1_concat"] * 2,
            marks=pytest.mark.slow,
        ),
        ("InceptionV3", {}, 11 + 2 * 2, "mixed0", "mixed0"),
    ],
)
def test_networks_of_keras(name, arguments, count, place, made_by, rng):
    size = 75 if name == "InceptionV3" else 64
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), classes=10, **arguments
    )
    randomize(model, rng)
    copy = add_squeeze_excite(model)
    assert len(blocks_of(copy)) == count
    block = copy.get_layer(f"{place}_se")
    assert block.input is copy.get_layer(made_by).output
    others = [x.name for x in copy.layers if x not in blocks_of(copy)]
    # Keras orders layers by their distance from the output.
    assert sorted(others) == sorted(x.name for x in model.layers)
    x = rng.uniform(0, 255, (2, size, size, 3)).astype("float32")
    # The logits: probabilities of a random network are all alike.
    logits = [keras.Model(m.input, m.layers[-1].input) for m in (model, copy)]
    check_equal(*logits, x)


def test_every_block_of_resnet50_is_on_the_branch():
    model = keras.applications.ResNet50(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    for block in blocks_of(add_squeeze_excite(model)):
        unit = block.name.removesuffix("_add_se")
        assert maker(block.input) == f"{unit}_3_bn"


# In the SE networks of this package the blocks are where the paper has them.
@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet50",
        "inception_resnet_v2",
        "bn_inception",
        "resnet164",
        "shufflenet",
    ],
)
def test_places_are_those_of_the_se_networks(name):
    plain, expected = small(name), small(f"se_{name}")
    shape = (size_of(plain), size_of(plain), 3)
    copy = add_squeeze_excite(build(plain, input_shape=shape))
    found = [maker(block.input) for block in blocks_of(copy)]
    blocks = blocks_of(build(expected, input_shape=shape))
    assert sorted(found) == sorted(maker(block.input) for block in blocks)


def test_outputs_and_places(model, x):
    copy = add_squeeze_excite(model, reduction=4)
    first, second = blocks_of(copy)
    assert (first.name, maker(first.input)) == ("a_add_se", "a_bn")
    assert (second.name, maker(second.input)) == ("b_add_se", "b_bn")
    assert copy.get_layer("a_add").input[1] is first.output
    assert copy.get_layer("b_add").input[0] is second.output
    assert second.reduce_kernel.shape == (1, 1, 16, 4)
    assert copy.name == model.name
    # Not only close: a gate is exactly one.
    np.testing.assert_array_equal(run(copy, x), run(model, x))


@pytest.mark.parametrize("excitation", ["sigmoid", "hard_sigmoid"])
@pytest.mark.parametrize("squeeze", ["avg", "max", "none"])
def test_operators_of_the_blocks(model, x, squeeze, excitation):
    copy = add_squeeze_excite(model, squeeze=squeeze, excitation=excitation)
    assert {b.squeeze for b in blocks_of(copy)} == {squeeze}
    assert {b.excitation.__name__ for b in blocks_of(copy)} == {excitation}
    check_equal(model, copy, x)


def test_a_training_step_moves_the_gates_alone(model, x):
    before = [v.numpy() for v in model.weights]
    model.trainable = False
    copy = add_squeeze_excite(model, reduction=1)
    assert len(copy.trainable_weights) == 4 * len(blocks_of(copy))
    copy.compile("sgd", "mse", jit_compile=False)
    copy.train_on_batch(x, np.ones((2, 5)))
    for block in blocks_of(copy):
        # Through the zeros of the second kernel nothing reaches the first.
        assert np.abs(ops.convert_to_numpy(block.expand_kernel)).max() > 0
        gates = ops.convert_to_numpy(block.excite(block_input(block)))
        assert np.abs(gates - 1).max() > 0
    assert np.abs(run(copy, x) - run(model, x)).max() > 1e-6
    for array, variable in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(array, variable.numpy())


def block_input(block):
    return np.ones([2, *block.input.shape[1:]], "float32")


def test_the_given_model_is_not_changed(model, x):
    model.compile("adam", "mse", jit_compile=False)
    model.get_layer("a_1").trainable = False
    config = model.get_config()
    weights = model.get_weights()
    calls = [len(layer._inbound_nodes) for layer in model.layers]
    optimizer = model.optimizer
    copy = add_squeeze_excite(model)
    assert not copy.compiled
    copy.compile("sgd", "mse", jit_compile=False)
    copy.fit(x, np.ones((2, 5)), verbose=0)
    assert model.get_config() == config
    assert model.compiled
    assert model.optimizer is optimizer
    assert [len(layer._inbound_nodes) for layer in model.layers] == calls
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    mine = {id(v) for v in model.variables}
    assert not mine & {id(v) for v in copy.variables}


def test_flags_and_state_are_copied(model):
    model.get_layer("a_bn").trainable = False
    model.get_layer("stem").trainable = False
    copy = add_squeeze_excite(model)
    for layer in model.layers:
        other = copy.get_layer(layer.name)
        assert other is not layer
        assert other.trainable == layer.trainable
        for a, b in zip(layer.weights, other.weights, strict=True):
            assert (a.name, a.trainable) == (b.name, b.trainable)
            np.testing.assert_array_equal(
                ops.convert_to_numpy(a), ops.convert_to_numpy(b)
            )
    assert all(block.trainable for block in blocks_of(copy))


def test_what_a_layer_computes_from_its_state(rng):
    norm = layers.Normalization()
    data = rng.normal(5, 3, (4, 8, 8, 3)).astype("float32")
    norm.adapt(data)
    inputs = keras.Input((8, 8, 3))
    x = norm(inputs)
    x = layers.Add()([x, layers.Conv2D(3, 1)(x)])
    model = keras.Model(inputs, x)
    check_equal(model, add_squeeze_excite(model), data)


@pytest.mark.parametrize("order", [0, 1])
def test_operators_of_the_graph(order, x):
    inputs = keras.Input((8, 8, 3))
    stem = layers.Conv2D(4, 3)(inputs)
    branch = ops.relu(layers.Conv2D(4, 3, padding="same", name="branch")(stem))
    stem = stem + (branch if order else 0.5 * branch)
    branch = layers.Conv2D(4, 1, name="second")(stem)
    # By keyword, and the residual first.
    y = ops.add(x2=stem, x1=branch)
    model = keras.Model(inputs, y)
    names = [o.name for o in model.operations if type(o).__name__ == "Add"]
    copy = add_squeeze_excite(model)
    assert [b.name for b in blocks_of(copy)] == [f"{n}_se" for n in names]
    first, second = blocks_of(copy)
    assert maker(first.input).startswith("multiply" if not order else "relu")
    assert maker(second.input) == "second"
    check_equal(model, copy, x)


def test_vectors_constants_and_halves_are_left_alone(x):
    inputs = keras.Input((8, 8, 3))
    a = layers.Conv2D(4, 3, name="a")(inputs + 1.0)
    one, other = ops.split(a, 2, axis=-1)
    y = layers.Add(name="halves")([one, other])
    y = layers.Add(name="twice")([y, y])
    y = y + np.ones((1, 1, 2), "float32")
    y = layers.Add(name="maps")([y, layers.Conv2D(2, 1)(y)])
    y = layers.GlobalAveragePooling2D()(y)
    y = layers.Add(name="vectors")([y, layers.Dense(2)(y)])
    model = keras.Model(inputs, y)
    copy = add_squeeze_excite(model)
    assert [b.name for b in blocks_of(copy)] == ["maps_se"]
    check_equal(model, copy, x)


def test_more_than_two_inputs(x):
    inputs = keras.Input((8, 8, 3))
    stem = layers.Conv2D(4, 1, name="stem")(inputs)
    a = layers.Conv2D(4, 1, name="a")(stem)
    b = layers.Conv2D(4, 1, name="b")(layers.ReLU()(stem))
    model = keras.Model(inputs, layers.Add(name="add")([a, stem, b]))
    copy = add_squeeze_excite(model)
    found = {block.name: maker(block.input) for block in blocks_of(copy)}
    assert found == {"add_se": "a", "add_se_1": "b"}
    check_equal(model, copy, x)


def test_of_equal_branches_the_first_is_the_shortcut(x):
    inputs = keras.Input((8, 8, 3))
    branches = [layers.Conv2D(4, 1, name=name)(inputs) for name in "ab"]
    model = keras.Model(inputs, layers.Add()(branches))
    (block,) = blocks_of(add_squeeze_excite(model))
    assert maker(block.input) == "b"


def test_shared_layers(x):
    inputs = keras.Input((8, 8, 3))
    conv, add = layers.Conv2D(3, 1, name="conv"), layers.Add(name="add")
    y = add([inputs, conv(inputs)])
    y = add([y, conv(y)])
    model = keras.Model(inputs, y)
    copy = add_squeeze_excite(model)
    assert [b.name for b in blocks_of(copy)] == ["add_se", "add_se_1"]
    assert len(copy.get_layer("conv").weights) == 2
    assert len(copy.weights) == 2 + 2 * 4
    check_equal(model, copy, x)
    copy = add_squeeze_excite(model, after=["conv"])
    assert [b.name for b in blocks_of(copy)] == ["conv_se", "conv_se_1"]
    check_equal(model, copy, x)


def test_nested_models_are_one_layer(x, rng):
    inner = residual(name="inner")
    inner = keras.Model(inner.input, inner.get_layer("b_add").output)
    inner.get_layer("b_1").trainable = False
    inner.compile("sgd", lambda y, z: 0.0)
    sequential = keras.Sequential([layers.Conv2D(16, 1)], name="sequential")
    inputs = keras.Input((8, 8, 3))
    y = layers.Conv2D(16, 1)(inputs)
    # Both the model and one inside of it use this layer.
    shared = layers.Conv2D(16, 1, name="shared")
    other = keras.Sequential([keras.Input((8, 8, 16)), shared], name="other")
    y = other(shared(y))
    y = layers.Add(name="add")([y, sequential(inner(inputs, training=False))])
    model = keras.Model(inputs, y)
    randomize(inner, rng)
    copy = add_squeeze_excite(model)
    # The branch has two layers, the other way three.
    (block,) = blocks_of(copy)
    assert maker(block.input) == "other"
    assert copy.get_layer("other").layers[0] is copy.get_layer("shared")
    nested = copy.get_layer(inner.name)
    assert not nested.get_layer("b_1").trainable
    assert nested.get_layer("b_0").trainable
    assert len(copy.trainable_weights) == len(model.trainable_weights) + 4
    check_equal(model, copy, x)


def test_structures_of_inputs_and_outputs(rng):
    inputs = {
        "image": keras.Input((8, 8, 3), name="image"),
        "scale": keras.Input((1, 1, 4), name="scale"),
    }
    stem = layers.Conv2D(4, 1)(inputs["image"])
    branch = layers.Multiply()([stem, inputs["scale"]])
    y = layers.Add(name="add")([stem, branch])
    outputs = {"map": y, "rest": [layers.Flatten()(y), branch]}
    model = keras.Model(inputs, outputs)
    copy = add_squeeze_excite(model, after=["add"])
    given = {
        "image": rng.standard_normal((2, 8, 8, 3)).astype("float32"),
        "scale": rng.standard_normal((2, 1, 1, 4)).astype("float32"),
    }
    found = run(copy, given)
    assert set(found) == {"map", "rest"}
    assert [y.shape for y in found["rest"]] == [(2, 256), (2, 8, 8, 4)]
    # Everything behind the layer is behind the block, outputs too.
    assert copy.output["map"] is copy.get_layer("add_se").output
    check_equal(model, copy, given)


@keras.saving.register_keras_serializable("test_surgery")
class TwoMaps(layers.Layer):
    def call(self, inputs, *, scale=None, factor=1.0):
        return {"a": inputs * factor, "b": inputs + scale, "c": inputs[:, 0, 0]}


def test_calls_with_keywords_and_several_outputs(x):
    inputs = keras.Input((8, 8, 3))
    scale = layers.Conv2D(3, 1)(inputs)
    y = TwoMaps(name="maps")(inputs, scale=scale, factor=3.0)
    model = keras.Model(inputs, y)
    copy = add_squeeze_excite(model, after=["maps"])
    assert [b.name for b in blocks_of(copy)] == ["maps_se", "maps_se_1"]
    check_equal(model, copy, x)


def test_layers_that_no_file_could_hold(x):
    class Unregistered(layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    power = 2
    inputs = keras.Input((8, 8, 3))
    y = Unregistered()(inputs)
    y = layers.Lambda(lambda x: ops.power(x, power), name="lambda")(y)
    model = keras.Model(inputs, layers.Add()([inputs, y]))
    check_equal(model, add_squeeze_excite(model), x)


def test_named_layers(model, x):
    copy = add_squeeze_excite(model, after=["stem", "b_1"])
    found = {block.name: maker(block.input) for block in blocks_of(copy)}
    assert found == {"stem_se": "stem", "b_1_se": "b_1"}
    assert copy.get_layer("a_1").input is copy.get_layer("stem_se").output
    assert copy.get_layer("a_add").input[0] is copy.get_layer("stem_se").output
    check_equal(model, copy, x)
    (block,) = blocks_of(add_squeeze_excite(model, after="stem"))
    assert block.name == "stem_se"


def test_a_sequential_model(x):
    model = keras.Sequential(
        [layers.Conv2D(4, 3, name="conv"), layers.GlobalMaxPooling2D()]
    )
    model.build((None, 8, 8, 3))
    copy = add_squeeze_excite(model, after=["conv"])
    assert [b.name for b in blocks_of(copy)] == ["conv_se"]
    check_equal(model, copy, x)


def test_twice(model, x):
    once = add_squeeze_excite(model)
    twice = add_squeeze_excite(once)
    names = [b.name for b in blocks_of(twice)]
    assert names == ["a_add_se", "a_add_se_1", "b_add_se", "b_add_se_1"]
    assert maker(twice.get_layer("a_add_se_1").input) == "a_add_se"
    check_equal(model, twice, x)


@pytest.mark.parametrize("rank", [3, 5])
def test_other_ranks(rank, rng):
    conv = layers.Conv1D if rank == 3 else layers.Conv3D
    inputs = keras.Input((6,) * (rank - 2) + (4,))
    y = conv(4, 3, padding="same")(inputs)
    model = keras.Model(inputs, layers.Add()([inputs, y]))
    copy = add_squeeze_excite(model)
    assert blocks_of(copy)[0].input.shape == model.output.shape
    x = rng.standard_normal((2, *inputs.shape[1:])).astype("float32")
    check_equal(model, copy, x)


def test_the_data_format_is_the_neighbours(rng):
    model = residual("channels_first")
    randomize(model, rng)
    copy = add_squeeze_excite(model, reduction=2)
    first, second = blocks_of(copy)
    assert first.data_format == second.data_format == "channels_first"
    # Of 8 and 16 channels, not of 8 pixels.
    assert first.reduce_kernel.shape == (1, 1, 8, 4)
    assert second.reduce_kernel.shape == (1, 1, 16, 8)
    x = rng.standard_normal((2, 3, 8, 8)).astype("float32")
    check_equal(model, copy, x)


def test_the_data_format_without_neighbours_is_the_configured(rng):
    inputs = keras.Input((4, 6, 8))
    model = keras.Model(inputs, layers.Add()([inputs, layers.ReLU()(inputs)]))
    assert keras.config.image_data_format() == "channels_last"
    try:
        keras.config.set_image_data_format("channels_first")
        (block,) = blocks_of(add_squeeze_excite(model, reduction=1))
    finally:
        keras.config.set_image_data_format("channels_last")
    assert block.reduce_kernel.shape == (1, 1, 4, 4)


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "float64"])
def test_the_dtype_policy_is_the_neighbours(policy, x):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        model = residual()
    finally:
        keras.config.set_dtype_policy(before)
    copy = add_squeeze_excite(model)
    assert {b.dtype_policy.name for b in blocks_of(copy)} == {policy}
    for layer in model.layers[1:]:
        other = copy.get_layer(layer.name)
        assert other.dtype_policy.name == layer.dtype_policy.name
    assert copy.output.dtype == model.output.dtype
    np.testing.assert_array_equal(run(copy, x), run(model, x))


def test_the_dtype_after_a_cast():
    inputs = keras.Input((8, 8, 4))
    y = ops.cast(layers.Conv2D(4, 1)(inputs), "float16")
    y = ops.add(y, ops.relu(y))
    (block,) = blocks_of(add_squeeze_excite(keras.Model(inputs, y)))
    assert block.compute_dtype == "float16"


def test_masked_sequences_are_left_alone():
    inputs = keras.Input((6,), dtype="int32")
    y = layers.Embedding(5, 4, mask_zero=True)(inputs)
    y = layers.Add(name="add")([y, layers.Dense(4)(y)])
    y = layers.GlobalAveragePooling1D()(y)
    model = keras.Model(inputs, y)
    with pytest.raises(ValueError, match="no addition"):
        add_squeeze_excite(model)
    with pytest.raises(ValueError, match="without a Keras mask"):
        add_squeeze_excite(model, after=["add"])


def test_networks_of_this_package(tmp_path, rng):
    plain = keras_senet.ResNet20(weights=None, classes=3)
    plain.card.class_names = ["a", "b", "c"]
    randomize(plain, rng)
    copy = add_squeeze_excite(plain)
    assert len(blocks_of(copy)) == 9
    assert copy.card == plain.card
    assert copy.card is not plain.card
    x = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    check_equal(plain, copy, x)
    copy.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.card == plain.card
    np.testing.assert_array_equal(run(loaded, x), run(copy, x))


LOADER = """
import sys
import keras_senet
import numpy as np
from keras.models import load_model

folder = sys.argv[1]
model = load_model(f"{folder}/model.keras")
y = model.predict(np.load(f"{folder}/x.npy"), verbose=0)
np.save(f"{folder}/loaded.npy", y)
"""


def test_loaded_in_another_process(model, x, tmp_path):
    copy = add_squeeze_excite(model)
    for block in blocks_of(copy):
        block.expand_bias.assign(np.linspace(-1, 1, block.expand_bias.shape[0]))
    copy.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", LOADER, str(tmp_path)]
    subprocess.run(command, check=True)
    loaded = np.load(tmp_path / "loaded.npy")
    np.testing.assert_array_equal(loaded, copy.predict(x, verbose=0))
    assert np.abs(loaded - run(model, x)).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: `./scripts/test --all` does")
    command = [sys.executable, "-m", "pytest", "-q", __file__, "-k"]
    subprocess.run(
        [*command, "outputs or operators or shared or nested or training_step"],
        env={**os.environ, "KERAS_BACKEND": backend},
        check=True,
    )


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"excitation": "tanh"}, ["'tanh'", "'sigmoid', 'hard_sigmoid'"]),
        ({"excitation": None}, ["`excitation` is None"]),
        ({"reduction": 0}, ["`reduction` is 0", "greater than 0"]),
        ({"squeeze": "mean"}, ["`squeeze` is 'mean'"]),
        ({"after": []}, ["`after` is []", "a list of one or more"]),
        ({"after": [3]}, ["`after` is [3]"]),
        ({"after": 3}, ["`after` is 3"]),
        ({"after": ["a_ad"]}, ["'a_ad'", "Near: 'a_add'", "model.summary()"]),
        ({"after": ["zzzzzzz"]}, ["'zzzzzzz'", "does not have", "Give names"]),
        ({"after": ["stem", "top"]}, ["'top'", "(None, 5)", "no feature map"]),
    ],
)
def test_errors_of_arguments(model, arguments, words):
    with pytest.raises(ValueError) as error:
        add_squeeze_excite(model, **arguments)
    for word in words:
        assert word in str(error.value)


def test_the_inputs_are_no_places(model):
    with pytest.raises(ValueError, match="inputs and the layers inside"):
        add_squeeze_excite(model, after=[model.layers[0].name])


def test_errors_of_models(model):
    with pytest.raises(ValueError, match="functional model inside it"):
        add_squeeze_excite(Subclassed())
    with pytest.raises(ValueError, match="`model` is 'resnet50'"):
        add_squeeze_excite("resnet50")
    unbuilt = keras.Sequential([layers.Conv2D(4, 3)])
    with pytest.raises(ValueError, match=r"`model.build\(input_shape\)`"):
        add_squeeze_excite(unbuilt)
    inputs = keras.Input((8, 8, 3))
    plain = keras.Model(inputs, layers.Conv2D(4, 3)(inputs), name="plain")
    with pytest.raises(ValueError, match=r"^plain has no addition .*`after="):
        add_squeeze_excite(plain)


def test_unknown_channels_have_no_place():
    inputs = keras.Input((8, 8, None))
    model = keras.Model(inputs, layers.Add()([inputs, ops.relu(inputs)]))
    with pytest.raises(ValueError, match="no addition"):
        add_squeeze_excite(model)


def test_quantised_layers(model, x):
    model.quantize("int8")
    copy = add_squeeze_excite(model)
    assert {b.dtype_policy.name for b in blocks_of(copy)} == {"float32"}
    check_equal(model, copy, x)
