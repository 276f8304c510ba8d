"""`weights="imagenet"` and its kin, through a mirror on loopback.

The files are laid out exactly as the published ones; their values are
stand-ins, so that the table is told their hashes (`publish`).
"""

import json
import math

import keras
import numpy as np
import pytest
from keras.src.applications import inception_resnet_v2, resnet
from PIL import Image
from references import reference_weights
from weights import published_files
from weights.mirror import Mirror, isolate

import keras_senet
from keras_senet.__main__ import main
from keras_senet.architectures.table import NETWORKS
from keras_senet.weights import sources

SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("published")


@pytest.fixture
def mirror(folder, tmp_path, monkeypatch):
    isolate(monkeypatch, tmp_path / "home")
    with Mirror(folder) as mirror:
        monkeypatch.setenv("KERAS_SENET_MIRROR", f"{mirror.url}/")
        yield mirror
    sources._backbone.cache_clear()


@pytest.fixture(scope="module")
def released(folder):
    """SE-ResNet-50 as classification_models has it, with and without top."""
    rows = published_files.classification_models("seresnet50")
    name = "seresnet50_imagenet_1000"
    published_files.write_h5(folder / f"{name}.h5", rows)
    published_files.write_h5(folder / f"{name}_no_top.h5", rows[:-1])
    return dict(rows)


@pytest.fixture(scope="module")
def keras_resnet(folder):
    name = "resnet50_weights_tf_dim_ordering_tf_kernels"
    model = published_files.applications("ResNet50", 64)
    rows = published_files.keras2_layers(model)
    published_files.write_h5(folder / f"{name}.h5", rows)
    published_files.write_h5(folder / f"{name}_notop.h5", rows[:-1])
    return model


def images(count=2, size=64):
    rng = np.random.default_rng(1)
    return rng.uniform(0, 255, (count, size, size, 3)).astype("float32")


def outputs(model, x):
    return keras.ops.convert_to_numpy(model.predict_on_batch(x))


def test_one_call_fetches_verifies_loads_and_predicts(
    mirror, released, folder, monkeypatch
):
    published_files.publish(monkeypatch, folder)
    model = keras_senet.SEResNet50(weights="imagenet")
    assert outputs(model, images(1, 224)).shape == (1, 1000)
    kernel = model.get_layer("conv1_conv").kernel
    expected = next(iter(dict(released["conv2d_1"]).values()))
    np.testing.assert_array_equal(kernel, expected)
    assert model.card.weights == "imagenet"
    assert model.card.published == {"top1": 0.7765, "top5": 0.93732}
    assert model.card.licence == "Apache-2.0"
    # The geometry of Caffe, not that of the project whose file it is.
    assert model.card.record["pool"] == "ceil"
    requests = len(mirror.requests)
    again = keras_senet.SEResNet50()
    assert len(mirror.requests) == requests == 1
    np.testing.assert_array_equal(
        outputs(model, images(1, 224)), outputs(again, images(1, 224))
    )


def test_the_published_hash_is_what_counts(mirror, released, tmp_path):
    """The table itself, whose MD5 is that of the real file."""
    with pytest.raises(ValueError) as error:
        keras_senet.SEResNet50(weights="imagenet")
    message = str(error.value)
    assert "seresnet50_imagenet_1000.h5" in message
    assert "ff0ce1ed5accaad05d113ecef2d29149" in message
    assert not [p for p in (tmp_path / "home").rglob("*") if p.is_file()]


def test_without_top_and_with_other_classes(
    mirror, released, folder, monkeypatch, caplog
):
    published_files.publish(monkeypatch, folder)
    body = keras_senet.SEResNet50(include_top=False, pooling="avg")
    other = keras_senet.SEResNet50(classes=7, input_shape=(64, 64, 3))
    assert other.output_shape == (None, 7)
    assert "its classifier has 1000 classes" in caplog.text
    paths = [path for _, path, _ in mirror.requests]
    assert paths == ["/seresnet50_imagenet_1000_no_top.h5"]
    for model in (body, other):
        np.testing.assert_array_equal(
            model.get_layer("conv5_block3_se").expand_kernel,
            next(iter(dict(released["conv2d_85"]).values())),
        )
    assert other.card.published is None


def test_a_tag_of_timm_brings_its_graph(mirror, folder, monkeypatch):
    """Through an imitation of the hub, to timm's own logits."""
    name = "timm/seresnet50.ra2_in1k/model.safetensors"
    published_files.write_safetensors(folder / name, "seresnet50")
    monkeypatch.delenv("KERAS_SENET_MIRROR")
    monkeypatch.setenv("HF_ENDPOINT", mirror.url)
    keywords = {
        "input_shape": (193, 193, 3),
        "include_preprocessing": False,
        "classifier_activation": None,
    }
    reference = np.load(reference_weights.FOLDER / "seresnet50.npz")
    expected = reference["logits_193"]
    x = reference_weights.images("seresnet50", 193)
    for model in (
        keras_senet.SEResNet50(weights="ra2_in1k", **keywords),
        keras_senet.from_timm("seresnet50", **keywords),
    ):
        difference = np.abs(outputs(model, x) - expected).max()
        assert difference < 1e-5 * np.abs(expected).max()
        assert model.card.record["stride_on"] == "3x3"
        assert model.card.record["pool"] == "padded"
    gets = mirror.gets("model.safetensors")
    # The hub redirects to another host; the second call reads the cache.
    assert len(gets) == 2


def test_se_bn_inception_has_the_authors_own_file(mirror, folder, monkeypatch):
    name = "caffe_se_bn_inception"
    published_files.write_caffe(folder / "SE-BN-Inception.caffemodel", name)
    published_files.publish(monkeypatch, folder)
    model = keras_senet.SEBNInception(weights="imagenet")
    # RGB images of pixels, where the reference takes BGR without the mean.
    given = reference_weights.images(name, 224)
    x = given[..., ::-1] + np.float32([123, 117, 104])
    logits = keras.Model(
        model.input, model.get_layer("avg_pool").output
    ).predict_on_batch(x)
    head = model.get_layer("predictions")
    logits = np.asarray(
        logits @ np.asarray(head.kernel) + np.asarray(head.bias)
    )
    reference = np.load(reference_weights.FOLDER / f"{name}.npz")["logits_224"]
    # The same class, whatever its number: that of the greatest logit.
    caffe_ids = (
        (reference_weights.FOLDER.parents[1] / "keras_senet" / "labels")
        .joinpath("ilsvrc2017_class_order.txt")
        .read_text()
        .split()
    )
    predicted = keras_senet.decode_predictions(logits, top=1)
    assert [row[0][0] for row in predicted] == [
        caffe_ids[k] for k in reference.argmax(axis=1)
    ]
    assert np.isclose(logits.max(), reference.max(), rtol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        *(
            pytest.param(changes, marks=pytest.mark.slow)
            for changes in (
                {"placement": "post", "squeeze": "max"},
                {"placement": "identity", "se_bias": False},
                {"placement": "pre", "reduction": 4, "se_stages": (4, 5)},
                {"placement": "3x3", "excitation": "hard_sigmoid"},
            )
        ),
    ],
)
def test_a_backbone_computes_what_the_twin_computes(
    changes, mirror, keras_resnet, folder, monkeypatch
):
    published_files.publish(monkeypatch, folder)
    twin = keras_senet.ResNet50(weights="imagenet", input_shape=(64, 64, 3))
    model = keras_senet.SEResNet50(
        weights="imagenet-backbone", input_shape=(64, 64, 3), **changes
    )
    x = images()
    np.testing.assert_array_equal(outputs(model, x), outputs(twin, x))
    assert model.card.record["se"]["output_scale"] == 2.0
    assert model.card.weights == "imagenet-backbone"
    before = [
        np.asarray(layer.expand_kernel)
        for layer in model.layers
        if isinstance(layer, keras_senet.SqueezeExcite)
    ]
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    model.train_on_batch(x, np.array([0, 1]))
    after = [
        np.asarray(layer.expand_kernel)
        for layer in model.layers
        if isinstance(layer, keras_senet.SqueezeExcite)
    ]
    changed = [(x != y).any() for x, y in zip(before, after, strict=True)]
    # A bottleneck of a few ReLUs may be dead for so few images.
    assert np.mean(changed) > 0.8


@pytest.mark.parametrize(
    ("function", "theirs", "size"),
    [
        ("MobileNet", "MobileNet", 64),
        pytest.param("InceptionResNetV2", "InceptionResNetV2", 75, marks=SLOW),
    ],
)
def test_backbones_of_networks_without_weights(
    function, theirs, size, mirror, folder, monkeypatch
):
    files = {
        "MobileNet": "mobilenet_1_0_224_tf.h5",
        "InceptionResNetV2": (
            "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels.h5"
        ),
    }
    network = published_files.applications(theirs, size)
    published_files.write_h5(
        folder / files[theirs], published_files.keras2_layers(network)
    )
    published_files.publish(monkeypatch, folder)
    keywords = {"input_shape": (size, size, 3), "classifier_activation": None}
    twin = getattr(keras_senet, function)(weights="imagenet", **keywords)
    model = getattr(keras_senet, f"SE{function}")(
        weights="imagenet-backbone", **keywords
    )
    x = images(size=size)
    np.testing.assert_array_equal(outputs(model, x), outputs(twin, x))
    with pytest.raises(ValueError, match=r"ever published.*imagenet-backbone"):
        getattr(keras_senet, f"SE{function}")(weights="imagenet")


@SLOW
def test_the_backbone_of_vgg(mirror, folder, monkeypatch):
    name = "timm/vgg16_bn.tv_in1k/model.safetensors"
    published_files.write_safetensors(folder / name, "vgg16_bn")
    keywords = {"include_preprocessing": False, "classifier_activation": None}
    model = keras_senet.SEVGG16(weights="imagenet-backbone", **keywords)
    reference = np.load(reference_weights.FOLDER / "vgg16_bn.npz")
    expected = reference["logits_224"]
    found = outputs(model, reference_weights.images("vgg16_bn", 224))
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("name", "keywords", "words"),
    [
        ("se_alexnet", {"weights": "imagenet"}, ["ever published", "None"]),
        (
            "se_shufflenet",
            {"weights": "imagenet-backbone"},
            ["plain twin", "ShuffleNet", "none"],
        ),
        (
            "se_mobilenet",
            {"weights": "imagenet-backbone", "alpha": 0.5},
            ["none of MobileNet with alpha=0.5 (not 1.0) are listed"],
        ),
        (
            "resnet50",
            {"weights": "imagenet-backbone"},
            ["networks with SE blocks", "'tv_in1k'"],
        ),
        (
            "se_resnet50",
            {"weights": "imagenet-backbone", "excitation": "tanh"},
            ["'tanh'", "'sigmoid' and 'hard_sigmoid'"],
        ),
        (
            "se_resnet50",
            {"weights": "imagenet", "reduction": 4},
            ["reduction=4 (not 16)", "another graph"],
        ),
        (
            "se_resnet50",
            {"weights": "ra2_in1k", "stride_on": "1x1"},
            ["stride_on='1x1' (not '3x3')"],
        ),
        (
            "se_resnet50",
            {"weights": "imagenet", "pool": "padded"},
            ["pool='padded' (not 'ceil')"],
        ),
        (
            "se_resnet50",
            {"weights": "imagenet", "input_shape": (224, 224, 4)},
            ["3 channels"],
        ),
        ("se_resnet50", {"weights": 3}, ["`weights` is 3"]),
    ],
)
def test_what_does_not_fit_is_said_before_any_download(
    name, keywords, words, mirror
):
    with pytest.raises(ValueError) as error:
        keras_senet.create_model(name, **keywords)
    for word in words:
        assert word in str(error.value)
    assert not mirror.requests


def test_the_table():
    """Every row is whole, and its hashes are those that Keras itself has."""
    seen = set()
    for source in sources.SOURCES:
        key = (source.network.name, source.tag)
        assert key not in seen
        seen.add(key)
        assert source.licence
        assert source.origin
        assert source.citation.startswith("arXiv:")
        assert sources.find(source.network, source.tag) == source
        if source.tag == "cifar10":
            continue
        assert source.published["top1"] < source.published["top5"] < 1
        for file in (source.file, source.file_without_top):
            if file and file.digest:
                lengths = {"md5": 32, "sha256": 64}
                assert len(file.digest) == lengths[file.algorithm]
                int(file.digest, 16)
    for name in ("resnet50", "resnet101", "resnet152"):
        source = sources.find(NETWORKS[name], "imagenet")
        assert resnet.WEIGHTS_HASHES[name] == (
            source.file.digest,
            source.file_without_top.digest,
        )
        assert source.file.url.startswith(resnet.BASE_WEIGHTS_PATH)
    source = sources.find(NETWORKS["inception_resnet_v2"], "imagenet")
    assert source.file.url.startswith(inception_resnet_v2.BASE_WEIGHT_URL)


def test_list_weights(capsys):
    assert main(["list", "--weights", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    published = [row for row in rows if row["tag"] != sources.BACKBONE]
    assert len(published) == len(sources.SOURCES)
    rows = {(row["network"], row["tag"]): row for row in rows}
    row = rows["se_resnet50", "imagenet"]
    assert row["top1"] == 0.7765
    assert row["verified_by"] == "md5 published"
    assert main(["list", "--weights", "se_resnet50"]) == 0
    printed = capsys.readouterr().out
    assert "ra2_in1k" in printed
    assert "stride_on='3x3'" in printed


def test_verify_weights(
    mirror, released, folder, monkeypatch, tmp_path, capsys
):
    published_files.publish(monkeypatch, folder)
    rng = np.random.default_rng(0)
    for wordnet_id in ("n01440764", "n02119789"):
        place = tmp_path / "val" / wordnet_id
        place.mkdir(parents=True)
        for number in range(2):
            pixels = rng.integers(0, 255, (80, 100, 3), "uint8")
            Image.fromarray(pixels).save(place / f"{number}.JPEG")
    (place / "broken.JPEG").write_bytes(b"no image")
    arguments = ["verify-weights", "se_resnet50", "--data"]
    arguments += [str(tmp_path / "val"), "--json"]
    assert main(arguments) == 1
    rows = json.loads(capsys.readouterr().out)
    good = {row["tag"]: row for row in rows if not row["error"]}
    assert good["imagenet"]["images"] == 4
    assert good["imagenet"]["unreadable"] == 1
    assert good["imagenet"]["published"] == 0.7765
    assert 0 <= good["imagenet"]["measured"] <= 1
    # Others are not on this mirror, and their errors say so.
    assert len(rows) == 6
    errors = {row["tag"]: row["error"] for row in rows if row["error"]}
    assert {"imagenet-caffe", "a1_in1k"} <= errors.keys()
    assert all("404" in error for error in errors.values())
    assert main(["verify-weights", "se_resnet50", "--tag", "imagenet"]) == 0
    assert "loaded" in capsys.readouterr().out
    place.rename(place.with_name("cats"))
    assert main(["verify-weights", "--data", str(tmp_path / "val")]) == 2
    assert "is no class of ImageNet" in capsys.readouterr().err


def test_convert(released, folder, tmp_path, capsys):
    source = folder / "seresnet50_imagenet_1000.h5"
    out = tmp_path / "converted.weights.h5"
    arguments = ["convert", str(source), "--model", "se_resnet50"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert "SE-ResNet-50" in capsys.readouterr().out
    model = keras_senet.SEResNet50(weights=out)
    np.testing.assert_array_equal(
        model.get_layer("conv1_conv").kernel,
        next(iter(dict(released["conv2d_1"]).values())),
    )
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    name = tmp_path / "timm.safetensors"
    published_files.write_safetensors(name, "seresnet50")
    out = tmp_path / "converted.keras"
    arguments = ["convert", str(name), "--model", "seresnet50.ra2_in1k"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert "stride_on='3x3'" in capsys.readouterr().out
    assert keras.models.load_model(out).card.record["pool"] == "padded"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.h5", "--model", "x", "--out", "a.txt"], ".weights.h5"),
        (["a.h5", "--model", "x", "--out", "no/a.keras"], "no folder"),
        (["a.h5", "--model", "x", "--out", "a.keras"], "no network 'x'"),
        (["a.h5", "--model", "resnet50", "--out", "a.keras"], "not exist"),
        (
            ["a.h5", "--model=resnet50", "--dialect=x", "--out=a.keras"],
            "'torch'",
        ),
    ],
)
def test_bad_conversions(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["convert", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_gates_start_at_exactly_one():
    """2 * sigmoid(0) is one in every format of numbers."""
    for dtype in ("float32", "float16", "bfloat16"):
        layer = keras_senet.SqueezeExcite(
            output_scale=2, expand_initializer="zeros", dtype=dtype
        )
        x = keras.random.normal((2, 5, 5, 8), dtype=dtype)
        gates = keras.ops.convert_to_numpy(
            keras.ops.cast(layer.excite(x), "float32")
        )
        assert math.prod(gates.shape) == 16
        assert (gates == 1).all()
