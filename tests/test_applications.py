"""Every constructor, in every way that keras.applications allows."""

import inspect

import keras
import numpy as np
import pytest
from small import KINDS, shallow, size_of, small

import keras_senet
from keras_senet.applications import CONSTRUCTORS
from keras_senet.architectures.build import build
from keras_senet.architectures.table import NETWORKS, plain_twin

CHANNELS_FIRST = "channels_first"
NAMES = [
    *(f"SEResNet{depth}" for depth in (18, 34, 50, 101, 152)),
    *("SEResNeXt50", "SEResNeXt101", "SENet154"),
    *("SEInceptionResNetV2", "SEBNInception", "SEVGG16", "SEAlexNet"),
    *("SEMobileNet", "SEShuffleNet"),
    *(f"SEResNet{depth}" for depth in (20, 32, 44, 56, 110, 164)),
    "SEWideResNet16x8",
]
TWINS = {"SENet154": "PlainSENet154"}


def image_of(network, channels=3):
    size = size_of(network)
    return (size, size, channels)


def call(model, x):
    """The outputs as arrays; without tracing, which takes longer."""
    return keras.tree.map_structure(
        keras.ops.convert_to_numpy, model(x, training=False)
    )


def run(model, shape, rng, batch=1):
    return call(model, rng.uniform(0, 255, (batch, *shape)).astype("float32"))


def test_every_network_of_the_paper_is_there():
    for name in NAMES:
        assert callable(getattr(keras_senet, name))
        twin = TWINS.get(name, name.removeprefix("SE"))
        assert callable(getattr(keras_senet, twin))
    assert len(keras_senet.list_models()) == len(CONSTRUCTORS) == 46


@pytest.mark.parametrize("name", keras_senet.list_models())
def test_signature_begins_as_that_of_keras_applications(name):
    ours = inspect.signature(CONSTRUCTORS[name]).parameters
    theirs = inspect.signature(keras.applications.ResNet50).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    kinds = {p.kind for key, p in ours.items() if key not in theirs}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert CONSTRUCTORS[name] is getattr(
        keras_senet, CONSTRUCTORS[name].__name__
    )
    documented = CONSTRUCTORS[name].__doc__
    assert all(f"    {key}: " in documented for key in ours)


@pytest.mark.parametrize("name", keras_senet.list_models("se*"))
def test_the_twin_is_the_same_record_without_se(name):
    network = NETWORKS[name]
    twin = NETWORKS[plain_twin(network).name]
    assert twin.se is None
    assert {**vars(twin), "se": 0, "name": 0, "title": 0} == {
        **vars(network),
        "se": 0,
        "name": 0,
        "title": 0,
    }


@pytest.mark.parametrize("name", KINDS)
class TestBuild:
    def test_with_top(self, name, rng):
        network = shallow(small(name))
        shape = image_of(network)
        model = build(network, input_shape=shape, classes=7)
        output = run(model, shape, rng, batch=2)
        assert output.shape == (2, 7)
        np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-5)
        assert model.layers[-1].activation is keras.activations.softmax

    def test_without_top_any_size(self, name, rng):
        network = small(name)
        model = build(network, include_top=False)
        assert model.input_shape == (None, None, None, 3)
        size = size_of(network)
        for height, width in ((size, size + 13), (size + 32, size + 7)):
            output = run(model, (height, width, 3), rng)
            assert output.ndim == 4
            assert np.isfinite(output).all()

    def test_pooling(self, name, rng):
        network = shallow(small(name))
        shape = image_of(network)
        plain = build(network, include_top=False)
        x = rng.uniform(0, 255, (1, *shape)).astype("float32")
        maps = call(plain, x)
        for pooling, reduce in (("avg", np.mean), ("max", np.max)):
            model = build(network, include_top=False, pooling=pooling)
            model.set_weights(plain.get_weights())
            expected = reduce(maps, axis=(1, 2))
            np.testing.assert_allclose(
                call(model, x), expected, rtol=1e-4, atol=1e-5
            )

    @pytest.mark.parametrize("channels", [1, 4])
    def test_other_channels(self, name, channels, rng):
        network = shallow(small(name))
        shape = image_of(network, channels)
        model = build(network, input_shape=shape)
        assert model.card.normalization == {"mean": [127.5], "std": [127.5]}
        assert np.isfinite(run(model, shape, rng)).all()

    def test_custom_input_tensor(self, name, rng):
        network = shallow(small(name))
        shape = image_of(network)
        image = keras.Input(shape)
        model = build(
            network,
            include_top=False,
            input_tensor=keras.layers.Rescaling(2.0)(image),
        )
        plain = build(network, include_top=False, input_shape=shape)
        plain.set_weights(model.get_weights())
        x = rng.uniform(0, 100, (1, *shape)).astype("float32")
        np.testing.assert_allclose(
            call(model, x),
            call(plain, 2 * x),
            rtol=1e-4,
            atol=1e-4,
        )

    def test_channels_first_equals_channels_last(self, name, rng):
        network = shallow(small(name))
        shape = image_of(network)
        last = build(network, input_shape=shape)
        first = build(
            network,
            input_shape=(shape[2], *shape[:2]),
            data_format=CHANNELS_FIRST,
        )
        first.set_weights(last.get_weights())
        x = rng.uniform(0, 255, (2, *shape)).astype("float32")
        moved = np.moveaxis(x, -1, 1)
        np.testing.assert_allclose(call(last, x), call(first, moved), atol=1e-5)

    def test_features_are_at_their_strides(self, name, rng):
        network = small(name)
        size = 128
        model = build(network, features_only=True)
        x = rng.uniform(0, 255, (1, size, size, 3)).astype("float32")
        maps = call(model, x)
        if network.dataset == "imagenet":
            assert list(maps) == ["C2", "C3", "C4", "C5"]
        else:
            assert list(maps) == ["C0", "C1", "C2"]
        # Unpadded convolutions lose a few pixels on the way.
        lost = {"inception_resnet": 4, "alexnet": 1}.get(network.family, 0)
        for key, value in maps.items():
            stride = 2 ** int(key[1])
            assert 0 <= size / stride - value.shape[1] <= lost
        body = build(network, include_top=False)
        body.set_weights(model.get_weights())
        np.testing.assert_array_equal(list(maps.values())[-1], call(body, x))

    def test_batch_of_one_equals_batch_of_many(self, name, rng):
        # In float64: kernels of float32 may add in another order for another
        # batch, which random weights make a difference of 1e-5.
        network = shallow(small(name))
        shape = image_of(network)
        model = build(network, input_shape=shape, dtype="float64")
        x = rng.uniform(0, 255, (4, *shape))
        together = call(model, x)
        alone = np.concatenate([call(model, x[i : i + 1]) for i in range(4)])
        assert together.dtype == "float64"
        np.testing.assert_allclose(together, alone, rtol=1e-10)

    def test_mixed_precision_keeps_pixels_and_logits_whole(self, name, rng):
        network = shallow(small(name))
        shape = image_of(network)
        half = build(network, input_shape=shape, dtype="mixed_bfloat16")
        whole = build(network, input_shape=shape)
        half.set_weights(whole.get_weights())
        assert half.get_layer("predictions").compute_dtype == "float32"
        assert half.get_layer("normalization").compute_dtype == "float32"
        body = [x.compute_dtype for x in half.layers if "_conv" in x.name]
        assert set(body) == {"bfloat16"}
        x = rng.uniform(0, 255, (1, *shape)).astype("float32")
        assert np.abs(call(half, x) - call(whole, x)).max() < 0.05


# At their full depth; others are the same lines with other numbers.
@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_network_runs_forward_and_backward(name, rng):
    network = NETWORKS[name]
    size = network.input_size if network.head != "pooled" else size_of(network)
    model = keras_senet.create_model(
        name, weights=None, input_shape=(size, size, 3), classes=3
    )
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    model.compile(
        keras.optimizers.SGD(1.0),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    x = rng.uniform(0, 255, (2, size, size, 3)).astype("float32")
    loss = model.train_on_batch(x, np.array([0, 1]))
    assert np.isfinite(loss)
    changed = 0
    for old, variable in zip(before, model.trainable_variables, strict=True):
        new = keras.ops.convert_to_numpy(variable)
        assert np.isfinite(new).all()
        changed += bool((new != old).any())
    # A ReLU that happens to be dead may leave a few as they were; that each
    # variable has a gradient is shown in architectures/test_gradients.py.
    assert changed > 0.9 * len(before)
    keras.utils.clear_session()


def test_list_models():
    assert keras_senet.list_models("se_*50*") == ["se_resnet50", "se_resnext50"]
    assert keras_senet.list_models("nothing*") == []


def test_dropout_is_an_argument_of_the_head_alone():
    model = keras_senet.SEResNet20(weights=None, dropout=0.3)
    assert model.get_layer("dropout").rate == 0.3
    assert keras_senet.SENet154(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    ).layers


def test_reduction_per_stage():
    model = keras_senet.SEResNet20(weights=None, reduction=(2, 4, 8))
    hidden = [
        model.get_layer(f"conv{stage}_block1_se").reduce_kernel.shape[-1]
        for stage in (2, 3, 4)
    ]
    assert hidden == [8, 8, 8]


def test_stages_squeeze_excitation_and_bias_reach_the_layers():
    model = keras_senet.SEResNet20(
        weights=None,
        se_stages=[3],
        squeeze="max",
        excitation="tanh",
        se_bias=False,
    )
    blocks = [
        x for x in model.layers if isinstance(x, keras_senet.SqueezeExcite)
    ]
    assert [x.name for x in blocks] == [f"conv3_block{i}_se" for i in (1, 2, 3)]
    for layer in blocks:
        assert layer.squeeze == "max"
        assert layer.excitation is keras.activations.tanh
        assert len(layer.weights) == 2


@pytest.mark.parametrize(
    ("placement", "before", "after"),
    [
        ("standard", "conv3_block1_2_bn", "conv3_block1_add"),
        ("pre", "conv2_block3_relu", "conv3_block1_1_pad"),
        ("post", "conv3_block1_relu", "conv3_block2_1_conv"),
        ("identity", "conv3_block1_0_pad", "conv3_block1_add"),
        ("3x3", "conv3_block1_1_relu", "conv3_block1_2_conv"),
    ],
)
def test_placements_stand_where_figure_5_has_them(placement, before, after):
    model = keras_senet.SEResNet20(weights=None, placement=placement)
    layer = model.get_layer("conv3_block1_se")
    producer = layer.input._keras_history.operation.name
    consumers = [
        x.name
        for x in model.layers
        for tensor in keras.tree.flatten(x.input)
        if tensor is layer.output
    ]
    assert producer == before
    assert after in consumers
    if placement != "post":
        assert consumers == [after]


def test_stride_and_pool_are_variants():
    model = keras_senet.SEResNet50(
        weights=None, stride_on="3x3", pool="padded", include_top=False
    )
    assert model.get_layer("conv3_block1_1_conv").strides == (1, 1)
    assert model.get_layer("conv3_block1_2_conv").strides == (2, 2)
    assert model.get_layer("pool1_pad").padding == ((1, 1), (1, 1))
    released = keras_senet.SEResNet50(weights=None, include_top=False)
    assert released.get_layer("conv3_block1_1_conv").strides == (2, 2)
    assert released.get_layer("conv3_block1_2_conv").strides == (1, 1)
    assert released.get_layer("pool1_pad").padding == ((0, 1), (0, 1))


def test_strides_for_small_images(rng):
    """A convolution of stride 1 is, at every other place, that of stride 2."""
    options = {"weights": None, "alpha": 0.25, "input_shape": (32, 32, 3)}
    usual = keras_senet.MobileNet(**options)
    small = keras_senet.MobileNet(**options, strides=[1, 1, 2, 2, 2, 1])
    small.set_weights(usual.get_weights())
    x = rng.uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    first = [
        call(keras.Model(m.input, m.get_layer("conv1_relu").output), x)
        for m in (usual, small)
    ]
    # "same" pads after alone at stride 2, on both sides at stride 1.
    np.testing.assert_allclose(first[0], first[1][:, 1::2, 1::2], atol=1e-5)
    sides = [
        small.get_layer(f"block{index}_pointwise_relu").output.shape[1]
        for index in range(1, 14)
    ]
    assert sides == [32, 16, 16, 8, 8] + [4] * 8
    maps = keras_senet.MobileNet(
        **options, strides=(1, 1, 2, 2, 2, 1), features_only=True
    ).output
    assert {key: value.shape[1] for key, value in maps.items()} == {
        "C2": 8,
        "C3": 4,
    }


def test_convolutions_start_from_he_normal():
    model = keras_senet.SEResNeXt50(weights=None, include_top=False)
    for name in ("conv1_conv", "conv4_block2_2_conv", "conv5_block2_3_conv"):
        kernel = keras.ops.convert_to_numpy(model.get_layer(name).kernel)
        expected = np.sqrt(2 / np.prod(kernel.shape[:3]))
        assert abs(kernel.std() / expected - 1) < 0.05


@pytest.mark.parametrize(
    ("name", "arguments", "error", "words"),
    [
        ("se_renset50", {}, ValueError, ["'se_resnet50'", "list_models"]),
        ("se_resnet20", {"reducton": 4}, TypeError, ["'reduction'", "takes"]),
        ("se_vgg16", {"placement": "pre"}, TypeError, ["SEVGG16", "placement"]),
        ("resnet50", {"reduction": 4}, TypeError, ["ResNet50"]),
        ("se_resnet20", {"placement": "front"}, ValueError, ["'identity'"]),
        (
            "se_inception_resnet_v2",
            {"placement": "3x3"},
            ValueError,
            ["no one 3x3"],
        ),
        ("se_resnet20", {"reduction": 0}, ValueError, ["greater than 0"]),
        ("se_resnet20", {"reduction": (1, 2)}, ValueError, ["3 for SE-ResNet"]),
        ("se_resnet20", {"se_stages": (5,)}, ValueError, ["(2, 3, 4)"]),
        ("se_resnet20", {"excitation": "softmax"}, ValueError, ["'tanh'"]),
        ("se_resnet20", {"dropout": 1}, ValueError, ["less than 1"]),
        ("se_resnet50", {"stride_on": 3}, ValueError, ["'1x1', '3x3'"]),
        ("se_mobilenet", {"alpha": 0}, ValueError, ["greater than 0"]),
        ("se_mobilenet", {"strides": (2, 1)}, ValueError, ["6 numbers"]),
        ("mobilenet", {"strides": (3, 1, 2, 2, 2, 2)}, ValueError, ["1 or 2"]),
        (
            "se_resnet50",
            {"input_shape": (31, 64, 3)},
            ValueError,
            ["32 pixels"],
        ),
        ("se_resnet20", {"input_shape": (7, 8, 3)}, ValueError, ["8 pixels"]),
        (
            "inception_resnet_v2",
            {"input_shape": (74, 75, 3)},
            ValueError,
            ["75 pixels"],
        ),
        ("se_resnet20", {"input_shape": (32, 32)}, ValueError, ["three dim"]),
        (
            "se_resnet20",
            {"input_shape": (32, 32, None)},
            ValueError,
            ["channel"],
        ),
        ("se_resnet20", {"input_shape": 32}, ValueError, ["three dim"]),
        ("se_resnet20", {"input_shape": (32, 32, 0)}, ValueError, ["least 1"]),
        ("se_resnet20", {"input_tensor": [1]}, ValueError, ["Keras tensor"]),
        ("se_resnet20", {"classes": 0}, ValueError, ["at least 1"]),
        ("se_resnet20", {"classes": "ten"}, ValueError, ["'ten'"]),
        ("se_resnet20", {"pooling": "sum"}, ValueError, ["'avg', 'max'"]),
        ("se_resnet20", {"data_format": "NCHW"}, ValueError, ["'NCHW'"]),
        ("se_resnet20", {"normalization": "torch"}, ValueError, ["'imagenet'"]),
        (
            "se_resnet20",
            {"normalization": ((1, 2), (1, 2))},
            ValueError,
            ["3 channels"],
        ),
        (
            "se_vgg16",
            {"input_shape": (None, None, 3)},
            ValueError,
            ["fixed image size"],
        ),
        (
            "se_resnet20",
            {"features_only": True, "pooling": "avg"},
            ValueError,
            ["features_only"],
        ),
    ],
)
def test_bad_input_gets_a_sentence(name, arguments, error, words):
    with pytest.raises(error) as raised:
        keras_senet.create_model(name, **{"weights": None, **arguments})
    for word in words:
        assert word in str(raised.value)


def test_numbers_of_numpy_are_numbers():
    model = keras_senet.SEResNet20(
        weights=None, classes=np.int64(3), reduction=np.array([4, 4, 8])
    )
    assert model.output_shape == (None, 3)


def test_a_tensor_that_is_prepared_outside(tmp_path):
    """The card tells the size of what is given, not of what is resized."""
    image = keras.Input((64, 48, 3))
    model = keras_senet.SEResNet20(
        weights=None, input_tensor=keras.layers.Resizing(32, 32)(image)
    )
    assert model.card.input_size == (64, 48)
    with pytest.raises(ValueError, match="Leave `input_shape` out"):
        keras_senet.SEResNet20(
            weights=None, input_tensor=image, input_shape=(32, 32, 3)
        )
