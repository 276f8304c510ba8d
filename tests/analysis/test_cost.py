"""Counts against the published ones (the authors' prototxts, the paper)."""

import dataclasses
import math

import keras
import pytest

import keras_senet
from keras_senet.analysis.cost import complexity, table
from keras_senet.architectures.build import build
from keras_senet.architectures.table import NETWORKS, plain_twin
from keras_senet.architectures.variants import variant

# Trainable parameters counted from the authors' prototxts, timm's
# results-imagenet.csv and osmr's README: network, plain, SE with biases, SE
# without, moving statistics, giga multiply-adds plain and SE.
PUBLISHED = [
    ("resnet50", 25557032, 28088024, 28071976, 53120, 3.858, 3.860),
    ("resnet101", 44549160, 49326872, 49292328, 105344, 7.570, 7.575),
    ("resnet152", 60192808, 66821848, 66770984, 151424, 11.282, 11.289),
    ("resnext50", 25028904, 27559896, 27543848, 68224, 4.230, 4.233),
    ("resnext101", 44177704, 48955416, 48920872, 137856, 7.970, 7.975),
    ("senet154", 108459944, 115088984, 115038120, 247552, 20.682, 20.688),
    ("bn_inception", 11285224, 11931622, 11924584, 20032, 2.033, 2.033),
    (
        "inception_resnet_v2",
        55813192,
        64357172,
        64308552,
        60544,
        13.156,
        13.164,
    ),
    ("vgg16", 138361768, 138592560, 138588072, 8448, 15.47, 15.47),
    ("mobilenet", 4231976, 4718044, 4711720, 21888, 0.569, 0.569),
    ("shufflenet", 1865728, 2441923, 2434528, 24480, 0.1375, None),
    ("resnet18", 11689512, 11778592, None, None, None, None),
    ("resnet34", 21797672, 21958868, None, None, None, None),
    ("resnext101_32x8d", 88791336, 93569048, None, None, None, None),
    ("resnext101_64x4d", 83455272, 88232984, None, None, None, None),
    # torchvision's alexnet-owt-7be5be79.pth.
    ("alexnet", 61100840, None, None, None, None, None),
]


def names_of(plain):
    """The registry's names of a plain network and its SE form."""
    if plain == "senet154":
        return "plain_senet154", "senet154"
    return plain, f"se_{plain}"


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row[0])
def test_counts_are_the_published_ones(row):
    name, plain, se, no_bias, moving, plain_giga, se_giga = row
    plain_name, se_name = names_of(name)
    for key, count, giga in (
        (plain_name, plain, plain_giga),
        (se_name, se, se_giga),
    ):
        counts = table()[key]
        if count:
            assert counts["parameters"] == count
        if moving and "shuffle" not in key:
            total = counts["total_parameters"]
            assert total - counts["parameters"] == moving
        if giga:
            digits = len(str(giga).split(".")[1])
            assert round(counts["multiply_adds"] / 1e9, digits) == giga
    if no_bias:
        assert without_biases(NETWORKS[se_name]) == no_bias


def without_biases(network):
    """The parameters of an SE network without those of the SE biases."""
    body = build(network, include_top=False)
    biases = sum(
        math.prod(variable.shape)
        for layer in body.layers
        if isinstance(layer, keras_senet.SqueezeExcite)
        for variable in layer.weights
        if "bias" in variable.name
    )
    return table()[network.name]["parameters"] - biases


def test_the_table_has_every_network():
    assert list(table()) == keras_senet.list_models()


@pytest.mark.parametrize("name", keras_senet.list_models())
def test_the_table_is_what_the_models_count(name):
    model = keras_senet.create_model(name, weights=None)
    counts = table()[name]
    assert dataclasses.asdict(complexity(model)) == counts
    network = NETWORKS[name]
    if network.se:
        # Equation 5 and the biases; C // r is never rounded up.
        expected = 0
        for layer in model.layers:
            if isinstance(layer, keras_senet.SqueezeExcite):
                channels = layer.input.shape[-1]
                hidden = max(1, channels // 16)
                expected += 2 * channels * hidden + channels + hidden
        plain = table()[plain_twin(network).name]
        assert counts["parameters"] - plain["parameters"] == expected > 0
        assert counts["se_parameters"] == expected
    keras.utils.clear_session()


def ablation(**changes):
    """SE-ResNet-50 as section 6 of the paper varies it."""
    return complexity(build(variant(NETWORKS["se_resnet50"], **changes)))


# The printed digits are those of all parameters, moving statistics and biases
# included, though the text says that the ablations have no biases; that of
# r = 2 is the trainable count (45.70; 45.75 in all).
@pytest.mark.parametrize(
    ("reduction", "millions"), [(4, 35.7), (8, 30.7), (16, 28.1), (32, 26.9)]
)
def test_table_10(reduction, millions):
    counts = ablation(reduction=reduction)
    assert round(counts.total_parameters / 1e6, 1) == millions


def test_table_10_at_reduction_2():
    assert round(ablation(reduction=2).parameters / 1e6, 1) == 45.7


@pytest.mark.parametrize(
    ("stages", "millions"),
    [((2,), 25.6), ((3,), 25.7), ((4,), 26.4), (None, 28.1)],
)
def test_table_13(stages, millions):
    counts = ablation(se_stages=stages)
    # As in Table 10 the total; SE in stage 2 alone is 25.58 trainable and
    # 25.64 in all, both 25.6.
    assert round(counts.total_parameters / 1e6, 1) == millions


# Table 14 prints no counts. Standard, post and identity gate the channels that
# a block puts out, "pre" those that it takes in.
@pytest.mark.parametrize("placement", ["standard", "post", "identity", "pre"])
def test_table_14(placement):
    given = [64, *[256] * 3, *[512] * 4, *[1024] * 6, *[2048] * 2]
    put_out = [*given[1:], 2048]
    widths = given if placement == "pre" else put_out
    expected = sum(2 * width**2 // 16 for width in widths)
    counts = ablation(placement=placement, se_bias=False)
    assert counts.se_parameters == expected


def test_table_15():
    counts = ablation(placement="3x3")
    assert round(counts.total_parameters / 1e6, 1) == 25.8
    # The sums of the 3x3 designs' pools would make it 3.86503.
    additions = table()["resnet50"]["element_sums"]
    giga = (counts.multiply_adds + additions) / 1e9
    assert round(giga, 2) == 3.86


def test_table_16():
    counts = ablation(squeeze="none")
    assert round(counts.total_parameters / 1e6, 1) == 28.1
    giga = (counts.multiply_adds + counts.element_sums) / 1e9
    assert round(giga, 2) == 4.27


# Table 2 counts multiply-adds and the element-wise sums of residual additions
# and global pools.
@pytest.mark.parametrize(
    ("name", "giga"),
    [
        ("resnet50", 3.86),
        ("se_resnet50", 3.87),
        ("resnet101", 7.58),
        ("resnet152", 11.30),
        ("se_resnet152", 11.32),
        ("resnext50", 4.24),
        ("mobilenet", 0.57),
        ("vgg16", 15.47),
        ("se_vgg16", 15.48),
        ("bn_inception", 2.03),
    ],
)
def test_table_2_multiply_adds(name, giga):
    counts = table()[name]
    total = counts["multiply_adds"] + counts["element_sums"]
    assert round(total / 1e9, 2) == giga


# These come out a hundredth below: the paper does not say which element-wise
# operations it counts.
@pytest.mark.parametrize(
    ("name", "giga"),
    [
        ("se_resnet101", 7.60),
        ("se_resnext50", 4.25),
        ("resnext101", 7.99),
        ("se_resnext101", 8.00),
        ("se_bn_inception", 2.04),
    ],
)
def test_table_2_where_it_counts_more(name, giga):
    counts = table()[name]
    total = counts["multiply_adds"] + counts["element_sums"]
    assert round(giga - round(total / 1e9, 2), 2) == 0.01


@pytest.mark.parametrize(
    ("name", "mega"), [("mobilenet", 569), ("se_mobilenet", 572)]
)
def test_table_3_multiply_adds(name, mega):
    counts = table()[name]
    total = counts["multiply_adds"] + counts["element_sums"]
    assert round(total / 1e6) == mega


def test_last_stage_without_se():
    """Section 6.3: without SE in the last stage it is about +4 %."""
    se = variant(NETWORKS["se_resnet50"], se_stages=(2, 3, 4))
    more = build(se).count_params() / table()["resnet50"]["total_parameters"]
    assert round(more - 1, 2) == 0.04


def test_a_model_of_any_size_is_refused():
    model = keras_senet.ResNet20(weights=None, include_top=False)
    with pytest.raises(ValueError, match="`input_shape`"):
        complexity(model)


def test_counts_any_keras_model():
    """keras.applications' ResNet-50 has 26,560 biases more."""
    theirs = complexity(keras.applications.ResNet50(weights=None))
    ours = table()["resnet50"]
    assert theirs.parameters == ours["parameters"] + 26560
    assert theirs.multiply_adds == ours["multiply_adds"]
    assert theirs.se_parameters == 0
