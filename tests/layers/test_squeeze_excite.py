"""SqueezeExcite against plain numpy, trained blocks and the paper."""

import keras
import numpy as np
import pytest

import keras_senet
from keras_senet import SqueezeExcite

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
}
SHAPES = {3: (2, 7, 32), 4: (2, 5, 6, 32), 5: (2, 3, 4, 5, 32)}


def numpy_gates(x, layer):
    """Equations 2 to 4 of the paper on a channels-last map."""
    arrays = {v.name: keras.ops.convert_to_numpy(v) for v in layer.weights}
    axes = tuple(range(1, x.ndim - 1))
    if layer.squeeze == "avg":
        z = x.mean(axis=axes, keepdims=True)
    elif layer.squeeze == "max":
        z = x.max(axis=axes, keepdims=True)
    else:
        z = x
    hidden = z @ arrays["reduce_kernel"].reshape(x.shape[-1], -1)
    hidden = hidden + arrays.get("reduce_bias", 0)
    hidden = ACTIVATIONS[layer.activation.__name__](hidden)
    gates = hidden @ arrays["expand_kernel"].reshape(-1, x.shape[-1])
    gates = gates + arrays.get("expand_bias", 0)
    excitation = ACTIVATIONS[layer.excitation.__name__]
    return layer.output_scale * excitation(gates)


def randomize(layer, rng):
    for variable in layer.weights:
        variable.assign(rng.standard_normal(variable.shape))


@pytest.mark.parametrize("rank", [3, 4, 5])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("squeeze", ["avg", "max", "none"])
def test_equals_numpy(rank, data_format, squeeze, rng):
    x = rng.standard_normal(SHAPES[rank]).astype("float32")
    layer = SqueezeExcite(reduction=4, squeeze=squeeze, data_format=data_format)
    first = data_format == "channels_first"
    given = np.moveaxis(x, -1, 1) if first else x
    layer.build(given.shape)
    randomize(layer, rng)
    gates = keras.ops.convert_to_numpy(layer.excite(given))
    outputs = keras.ops.convert_to_numpy(layer(given))
    if first:
        gates, outputs = np.moveaxis(gates, 1, -1), np.moveaxis(outputs, 1, -1)
    expected = numpy_gates(x, layer)
    assert gates.shape == expected.shape
    np.testing.assert_allclose(gates, expected, atol=1e-5)
    np.testing.assert_allclose(outputs, x * expected, atol=1e-5)


@pytest.mark.parametrize("excitation", list(ACTIVATIONS))
@pytest.mark.parametrize("use_bias", [True, False])
def test_operators_equal_numpy(excitation, use_bias, rng):
    x = rng.standard_normal((2, 5, 6, 10)).astype("float32")
    layer = SqueezeExcite(
        reduction=3,
        activation="tanh",
        excitation=excitation,
        use_bias=use_bias,
        output_scale=1.5,
    )
    layer.build(x.shape)
    randomize(layer, rng)
    assert len(layer.weights) == (4 if use_bias else 2)
    expected = x * numpy_gates(x, layer)
    outputs = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("data_format", "squeeze"),
    # TensorFlow has no convolution of channels first in 64 bits on a CPU.
    [("channels_last", squeeze) for squeeze in ("avg", "max", "none")]
    + [("channels_first", squeeze) for squeeze in ("avg", "max")],
)
@pytest.mark.parametrize("rank", SHAPES)
def test_training_gives_the_same_and_its_gradients_are_differences(
    rank, data_format, squeeze, rng
):
    """Training takes other operations than inference."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the gradient of its own is TensorFlow's")
    import tensorflow as tf

    layer = SqueezeExcite(
        reduction=8,
        squeeze=squeeze,
        activation="tanh",
        data_format=data_format,
        dtype="float64",
        output_scale=1.5,
    )
    shape = SHAPES[rank]
    if data_format == "channels_first":
        shape = (shape[0], shape[-1], *shape[1:-1])
    layer.build(shape)
    randomize(layer, rng)
    x = tf.constant(rng.standard_normal(shape))
    weights = tf.constant(rng.standard_normal(shape))

    def loss(x):
        return tf.reduce_sum(layer(x, training=True) * weights)

    axis = -1 if data_format == "channels_last" else 1
    last = np.moveaxis(x.numpy(), axis, -1)
    outputs = np.moveaxis(layer(x, training=True).numpy(), axis, -1)
    np.testing.assert_allclose(outputs, last * numpy_gates(last, layer))
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(x)
    variables = [v.value for v in layer.trainable_variables]
    of_x, *of_variables = tape.gradient(value, [x, *variables])
    step = 1e-6
    direction = rng.standard_normal(shape)
    slope = (loss(x + step * direction) - loss(x - step * direction)) / step / 2
    np.testing.assert_allclose(
        tf.reduce_sum(of_x * direction), slope, rtol=1e-5, atol=1e-6
    )
    for variable, gradient in zip(variables, of_variables, strict=True):
        direction = rng.standard_normal(variable.shape)
        variable.assign_add(step * direction)
        above = loss(x)
        variable.assign_sub(2 * step * direction)
        slope = (above - loss(x)) / step / 2
        variable.assign_add(step * direction)
        np.testing.assert_allclose(
            tf.reduce_sum(gradient * direction), slope, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("squeeze", ["avg", "max"])
def test_half_precision_trains_on_large_maps(squeeze):
    """The sum and the number of 256 x 256 pixels are beyond float16."""
    x = np.full((1, 256, 256, 8), 10.0, "float32")
    layer = SqueezeExcite(4, squeeze=squeeze, dtype="mixed_float16")
    outputs = keras.ops.convert_to_numpy(layer(x, training=True))
    expected = x * numpy_gates(x, layer)
    np.testing.assert_allclose(outputs.astype("float32"), expected, rtol=1e-2)


def test_half_precision_has_the_gradients_of_large_maps():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the gradient of its own is TensorFlow's")
    import tensorflow as tf

    x = tf.fill((1, 256, 256, 2), 0.5)
    layer = SqueezeExcite(
        1,
        excitation="linear",
        kernel_initializer="ones",
        dtype="mixed_float16",
    )
    with tf.GradientTape() as tape:
        tape.watch(x)
        top = tf.cast(layer(x, training=True)[:, :2], "float32")
        loss = tf.reduce_sum(top)
    gradient = tape.gradient(loss, x)
    # Below, what comes through the average alone: of two gates the sum of a
    # half over two of 256 rows, through two kernels of ones.
    np.testing.assert_allclose(gradient[:, 2:], 2 * 0.5 / 128 * 2, rtol=1e-2)
    np.testing.assert_allclose(gradient[:, :2], 2 + 1 / 64, rtol=1e-2)


def test_the_size_of_a_map_in_training_may_be_unknown(rng):
    inputs = keras.Input((None, None, 16))
    model = keras.Model(inputs, SqueezeExcite(reduction=4)(inputs))
    for size in (5, 8):
        x = rng.standard_normal((2, size, size + 1, 16)).astype("float32")
        outputs = [
            keras.ops.convert_to_numpy(model(x, training=training))
            for training in (True, False)
        ]
        np.testing.assert_allclose(*outputs, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "arguments", "hidden"),
    [
        (64, {}, 4),
        (320, {}, 20),
        (10, {}, 1),
        (24, {"reduction": 5}, 4),
        (24, {"reduction": 2.5}, 9),
        (24, {"hidden": 7}, 7),
    ],
)
def test_hidden_width_is_not_rounded(channels, arguments, hidden):
    layer = SqueezeExcite(**arguments)
    layer.build((None, 8, 8, channels))
    assert layer.reduce_kernel.shape == (1, 1, channels, hidden)


@pytest.mark.parametrize("reduction", [2, 4, 8, 16, 32])
def test_parameters_are_those_of_equation_5(reduction):
    layer = SqueezeExcite(reduction=reduction, use_bias=False)
    layer.build((None, 7, 7, 256))
    assert layer.count_params() == 2 / reduction * 256**2


def test_a_gate_can_start_at_exactly_one(rng):
    x = rng.standard_normal((2, 5, 6, 32)).astype("float32")
    layer = SqueezeExcite(expand_initializer="zeros", output_scale=2)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), x)
    gates = keras.ops.convert_to_numpy(layer.excite(x))
    assert gates.shape == (2, 1, 1, 32)
    np.testing.assert_array_equal(gates, 1.0)


def test_kernels_do_not_start_alike():
    layer = SqueezeExcite(reduction=1)
    layer.build((None, 8, 8, 16))
    reduce = keras.ops.convert_to_numpy(layer.reduce_kernel)
    expand = keras.ops.convert_to_numpy(layer.expand_kernel)
    assert np.abs(reduce - expand).max() > 1e-3


@pytest.mark.parametrize(
    "policy", ["float32", "float64", "mixed_float16", "mixed_bfloat16"]
)
def test_dtype_policies(policy, rng):
    x = rng.standard_normal((2, 5, 6, 32))
    layer = SqueezeExcite(dtype=policy)
    outputs = layer(x)
    compute = keras.dtype_policies.get(policy).compute_dtype
    if keras.backend.backend() == "jax" and policy == "float64":
        # JAX has no 64-bit numbers unless JAX_ENABLE_X64 is set.
        compute = "float32"
    assert keras.backend.standardize_dtype(outputs.dtype) == compute
    gates = layer.excite(x)
    assert keras.backend.standardize_dtype(gates.dtype) == compute
    expected = x * numpy_gates(x, layer)
    outputs = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))
    tolerance = 0.05 if "16" in policy else 1e-5
    np.testing.assert_allclose(outputs, expected, atol=tolerance)


def test_config_holds_every_argument():
    layer = SqueezeExcite(
        reduction=3,
        hidden=5,
        squeeze="max",
        activation="swish",
        excitation="hard_sigmoid",
        use_bias=False,
        output_scale=2.0,
        data_format="channels_first",
        kernel_initializer="glorot_uniform",
        expand_initializer="zeros",
        kernel_regularizer=keras.regularizers.L2(0.1),
        name="gate",
        dtype="float64",
    )
    config = layer.get_config()
    copy = SqueezeExcite.from_config(config)
    assert copy.get_config() == config
    import inspect

    arguments = set(inspect.signature(SqueezeExcite).parameters) - {"kwargs"}
    assert arguments <= set(config)
    # The defaults must not be what was given, or the test shows nothing.
    defaults = SqueezeExcite().get_config()
    assert all(config[key] != defaults[key] for key in arguments)


def test_in_a_model_that_is_saved(tmp_path, rng):
    model = keras.Sequential([keras.Input((9, 9, 24)), SqueezeExcite(3)])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = rng.standard_normal((2, 9, 9, 24)).astype("float32")
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), loaded.predict(x, verbose=0)
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"reduction": 0}, ["`reduction`", "0", "greater than 0"]),
        ({"reduction": -2}, ["`reduction`", "-2"]),
        ({"reduction": "16"}, ["`reduction`", "'16'", "a number"]),
        ({"reduction": True}, ["`reduction`", "True"]),
        ({"hidden": 0}, ["`hidden`", "an integer greater than 0"]),
        ({"hidden": 2.5}, ["`hidden`", "2.5"]),
        ({"squeeze": "mean"}, ["`squeeze`", "'mean'", "'avg', 'max', 'none'"]),
        ({"excitation": "sigmoidd"}, ["`excitation`", "'sigmoidd'"]),
        ({"activation": "rely"}, ["`activation`", "'rely'"]),
        ({"data_format": "nhwc"}, ["`data_format`", "'nhwc'"]),
    ],
)
def test_errors_of_arguments(arguments, words):
    with pytest.raises(ValueError) as error:
        SqueezeExcite(**arguments)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("shape", [(2, 8), (2, 3, 4, 5, 6, 7)])
def test_error_of_a_wrong_rank(shape):
    with pytest.raises(ValueError, match=r"rank \d. Allowed: rank 3, 4 or 5"):
        SqueezeExcite()(np.zeros(shape, "float32"))


def test_error_of_unknown_channels():
    with pytest.raises(ValueError, match="unknown channel count"):
        SqueezeExcite()(keras.Input((8, 8, None)))


def test_error_of_other_channels_than_built_for():
    layer = SqueezeExcite()
    layer.build((None, 8, 8, 16))
    with pytest.raises(ValueError, match="axis -1"):
        layer(np.zeros((1, 8, 8, 32), "float32"))


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "activation", "indices"),
    [("relu", "relu", (0, 1, 2)), ("swish", "swish", (0, 1, 4, 9))],
)
def test_reproduces_trained_blocks(file, activation, indices, refs):
    arrays = np.load(refs / f"se_blocks_{file}.npz")
    for index in indices:
        block = {
            key: arrays[f"se{index}_{key}"]
            for key in ("in", "gate", "out", "w1", "b1", "w2", "b2")
        }
        layer = SqueezeExcite(
            hidden=block["w1"].shape[1], activation=activation
        )
        layer.build(block["in"].shape)
        layer.reduce_kernel.assign(block["w1"][None, None])
        layer.reduce_bias.assign(block["b1"])
        layer.expand_kernel.assign(block["w2"][None, None])
        layer.expand_bias.assign(block["b2"])
        gates = keras.ops.convert_to_numpy(layer.excite(block["in"]))
        outputs = keras.ops.convert_to_numpy(layer(block["in"]))
        np.testing.assert_allclose(gates[:, 0, 0], block["gate"], atol=1e-5)
        np.testing.assert_allclose(outputs, block["out"], atol=1e-5)


def test_is_public():
    assert keras_senet.SqueezeExcite is keras_senet.layers.SqueezeExcite
