"""LiteRT files, read and run by other programs than the one that wrote them."""

import collections
import json
import os
import re

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from PIL import Image
from small import (
    coarse,
    distinct,
    run_litert,
    shallow,
    size_of,
    small,
    tell_apart,
)

import keras_senet
from keras_senet.architectures.build import build
from keras_senet.architectures.table import NETWORKS
from keras_senet.export import (
    AgreementError,
    ConversionError,
    Report,
    export_tflite,
    images as export_images,
)
from keras_senet.litert import conversion, runtime
from keras_senet.litert.conversion import to_litert

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="LiteRT's converter reads TensorFlow's graphs",
)


@pytest.fixture(scope="module")
def model():
    return keras_senet.SEResNet20(weights="cifar10")


@pytest.fixture(scope="module")
def pictures(data_dir):
    """Real images: the first of CIFAR-10's test split."""
    import tensorflow_datasets as tfds

    data = tfds.load(
        "cifar10", split="test[:200]", data_dir=data_dir, download=False
    )
    return np.stack([row["image"] for row in data.as_numpy_iterator()])


def opened(path):
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    return interpreter


def outputs_of(path, images):
    """What the file gives for pixels."""
    return run_litert(path.read_bytes(), images)[0]


def operators_of(path):
    """Names of the operators, with the types of what they compute on."""
    interpreter = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=(
            OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    interpreter.allocate_tensors()
    for node in interpreter._get_ops_details():
        places = [place for place in node["outputs"] if place >= 0]
        tensors = [interpreter._get_tensor_details(p, 0) for p in places]
        yield node["op_name"], tensors


def assert_one_partition(path):
    """XNNPACK runs all but what 8 bits begin and end with."""
    nodes = opened(path)._get_ops_details()
    [part] = [node for node in nodes if node["op_name"] == "DELEGATE"]
    own = [node for node in nodes if node["op_name"] != "DELEGATE"]

    def those(end, places):
        return {n["op_name"] for n in own if {*n[end]} & {*places}}

    assert those("outputs", part["inputs"]) <= {"QUANTIZE"}
    assert those("inputs", part["outputs"]) <= {"SOFTMAX"}


def is_convolution_for_one(layer):
    """Whether nothing but the next layer takes a convolution's output."""
    kind = type(layer).__name__
    return "Conv2D" in kind and len(layer._outbound_nodes) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", distinct())
def test_every_network_is_a_file_of_builtin_operators(name, tmp_path, rng):
    network = small(name)
    size = size_of(network)
    # Logits, which say more than probabilities.
    model = build(
        network,
        input_shape=(size, size, 3),
        classes=5,
        classifier_activation=None,
    )
    images = rng.integers(0, 256, (2, size, size, 3)).astype("uint8")
    path = tmp_path / "network.tflite"
    path.write_bytes(to_litert(model))
    expected = model.predict_on_batch(images.astype("float32"))
    difference = np.abs(outputs_of(path, images) - expected).max()
    assert difference <= 1e-5 * np.ptp(expected)
    assert_one_partition(path)
    operators = list(operators_of(path))
    names = collections.Counter(one for one, _ in operators)
    assert not any(one.startswith(("Flex", "CUSTOM")) for one in names)

    def count(*kinds):
        return sum(isinstance(layer, kinds) for layer in model.layers)

    gates = count(keras_senet.SqueezeExcite)
    # Grouped convolutions too are one operator each, and a gate is two. A pool
    # of one pixel is one as well.
    convolutions = count(keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    pools = sum(
        isinstance(layer, keras.layers.AveragePooling2D)
        and layer.pool_size == (1, 1)
        for layer in model.layers
    )
    depthwise = names["DEPTHWISE_CONV_2D"]
    assert names["CONV_2D"] + depthwise == convolutions + 2 * gates + pools
    # Batch normalisation is in the convolution before it, where nothing else
    # takes that; that of the image, around which zeros are put, is a product
    # and a sum.
    loose = 1 + sum(
        isinstance(layer, keras.layers.BatchNormalization)
        and not is_convolution_for_one(layer.input._keras_history.operation)
        for layer in model.layers
    )
    assert names["MUL"] == gates + loose
    # Of new networks normalisation adds zero, which is left out.
    assert names["ADD"] == count(keras.layers.Add) + 1
    assert names["FULLY_CONNECTED"] == count(keras.layers.Dense)
    assert not any(
        re.search(r"_se\b", tensor["name"])
        for one, tensors in operators
        for tensor in tensors
        if one == "RESHAPE"
    )


PRECISIONS = {
    "float16": {"precision": "float16"},
    "dynamic": {"precision": "dynamic"},
    "int8": {"precision": "int8"},
    "float gates": {"precision": "int8", "float_gates": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "name", ["se_mobilenet", "se_shufflenet", "se_resnext50", "se_vgg16"]
)
def test_every_precision_of_a_few_kinds(name, precision, tmp_path, rng):
    network = small(name)
    if name != "se_shufflenet":
        # A random network makes more of every rounding, from layer to layer;
        # ShuffleNet's first blocks have no gates.
        network = shallow(network)
    size = max(size_of(network), 64)
    model = build(network, input_shape=(size, size, 3), classes=5)
    images = coarse(rng, 100, size)
    for variable in model.trainable_variables:
        if "_se" in variable.path:
            # Gates that move, which 8 bits would make constants of otherwise.
            variable.assign(rng.normal(0, 0.5, variable.shape))
    tell_apart(model, images)
    options = PRECISIONS[precision]
    path = tmp_path / "network.tflite"
    report = export_tflite(
        model,
        path,
        images=images,
        calibration_data=images if options["precision"] == "int8" else None,
        **options,
    )
    expected = model.predict(images.astype("float32"), verbose=0)
    found = outputs_of(path, images)
    spread = np.abs(expected - expected.mean(0)).mean()
    lost = {"float16": 0.02, "dynamic": 0.25}.get(precision, 0.45)
    assert np.abs(found - expected).mean() < lost * spread
    same = np.mean(found.argmax(1) == expected.argmax(1))
    assert report.top1_agreement == same
    assert same >= {"float16": 0.95, "dynamic": 0.8}.get(precision, 0.7)
    assert report.partitions == 1
    assert_one_partition(path)
    [taken] = opened(path).get_input_details()
    assert taken["name"] == "image"
    assert taken["dtype"] == (
        np.uint8 if options["precision"] == "int8" else np.float32
    )


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "dynamic", "int8"])
@pytest.mark.parametrize("name", ["se_mobilenet", "se_shufflenet"])
def test_one_partition_at_full_depth_and_width(name, precision, tmp_path, rng):
    """Larger kernels are other operators than smaller ones."""
    model = build(NETWORKS[name], input_shape=(32, 32, 3), classes=5)
    images = coarse(rng, 9, 32).astype("float32")
    calibration = images[:, None] if precision == "int8" else None
    path = tmp_path / "network.tflite"
    eight = precision == "int8"
    path.write_bytes(to_litert(model, precision, calibration, pixels=eight))
    assert_one_partition(path)
    if precision != "float32":
        assert path.stat().st_size < 1.4 * model.count_params()


@pytest.mark.parametrize(
    "options",
    [
        {"alpha": 0.25, "excitation": "hard_sigmoid"},
        {"alpha": 0.5},
        {"alpha": 0.75},
        {"alpha": 1.0},
    ],
)
def test_widths_and_gates_of_mobilenet(options, tmp_path, rng):
    model = keras_senet.SEMobileNet(
        weights=None, classes=5, input_shape=(40, 48, 3), **options
    )
    images = rng.integers(0, 256, (3, 40, 48, 3)).astype("uint8")
    path = tmp_path / "x.tflite"
    path.write_bytes(to_litert(model))
    expected = keras.ops.convert_to_numpy(model(images.astype("float32")))
    found = outputs_of(path, images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert_one_partition(path)
    names = collections.Counter(name for name, _ in operators_of(path))
    # A network of 13 blocks, each with a gate.
    assert names["LOGISTIC"] == (0 if "excitation" in options else 13)
    weights = 4 * model.count_params()
    assert path.stat().st_size == pytest.approx(weights, rel=0.1)


@pytest.mark.slow
def test_a_gate_that_is_dead_on_all_images(tmp_path, rng, caplog, monkeypatch):
    """Of the narrowest network, whose first gate has a bottleneck of one."""
    model = keras_senet.SEMobileNet(
        weights=None, classes=5, input_shape=(32, 32, 3), alpha=0.25
    )
    images = coarse(rng, 100, 32)
    gate = model.get_layer("block1_se")
    assert gate.reduce_kernel.shape[-1] == 1
    # ReLU leaves nothing of a negative sum of what is not negative.
    gate.reduce_kernel.assign(-np.abs(gate.reduce_kernel))
    tell_apart(model, images)
    path = tmp_path / "x.tflite"
    report = export_tflite(model, path, "int8", calibration_data=images)
    assert report.partitions == 1
    assert_one_partition(path)
    assert "Zero in all images of calibration: " in caplog.text
    assert "block1_se" in caplog.text
    expected = model.predict_on_batch(images.astype("float32"))
    found = outputs_of(path, images)
    # Of five classes, in a random network of 28 layers.
    assert np.mean(found.argmax(1) == expected.argmax(1)) > 0.4
    caplog.clear()
    export_tflite(
        model, path, "int8", calibration_data=images, float_gates=True
    )
    assert not caplog.text
    # With the range that the converter makes up nothing is written: MediaPipe
    # can't open such files either.
    monkeypatch.setattr(conversion, "DEAD", 0)
    with pytest.raises(ConversionError, match="XNNPACK"):
        export_tflite(
            model, tmp_path / "y.tflite", "int8", calibration_data=images
        )
    assert not list(tmp_path.glob("y*"))


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8"])
def test_a_file_names_what_the_network_names(
    precision, model, pictures, tmp_path
):
    path = tmp_path / "x.tflite"
    report = export_tflite(
        model,
        path,
        precision,
        calibration_data=pictures if precision == "int8" else None,
        images=pictures,
    )
    expected = model.predict_on_batch(pictures.astype("float32"))
    found = outputs_of(path, pictures)
    difference = np.abs(found - expected)
    agreement = np.mean(found.argmax(1) == expected.argmax(1))
    assert report.top1_agreement == agreement
    assert agreement >= {"float32": 1, "float16": 1}.get(precision, 0.97)
    # Rounding, which is all there is in float32, goes by the size of a batch.
    near = {"rel": 1e-3, "abs": 1.2e-7}
    assert report.largest_difference == pytest.approx(difference.max(), **near)
    assert report.mean_difference == pytest.approx(difference.mean(), **near)
    if precision == "float32":
        assert difference.max() < 1e-4
    assert report.file_bytes == path.stat().st_size
    counted = collections.Counter(name for name, _ in operators_of(path))
    assert report.operators == counted
    # Of 8 bits without a sign, and the softmax of 8 bits, XNNPACK has none.
    left = {"QUANTIZE": 2, "SOFTMAX": 1} if precision == "int8" else {}
    assert counted - collections.Counter(report.delegated) == left
    assert not collections.Counter(report.delegated) - counted
    assert f"{counted.total()}{' (not ' if left else ','}" in str(report)
    assert report.partitions == 1
    assert_one_partition(path)
    assert list(report.milliseconds) == [1, 2, 4]
    assert all(0 < value < 1e3 for value in report.milliseconds.values())
    # XNNPACK has the weights in a form of its own beside those of the file.
    assert report.file_bytes / 2 < report.peak_bytes < 1e8
    facts = json.loads((tmp_path / "x.json").read_text())
    assert facts["top1_agreement"] == agreement
    assert facts["model"]["weights"] == "cifar10"
    # The accuracy in Keras is not called the file's.
    assert facts["model"]["measured_in_keras"] == model.card.measured
    assert "measured" not in facts["model"]
    [taken] = opened(path).get_input_details()
    [given] = opened(path).get_output_details()
    assert taken["name"] == "image"
    if precision != "int8":
        assert facts["quantization"] is None
    else:
        scale, zero = given["quantization"]
        assert facts["quantization"] == {
            "input": {"scale": 1.0, "zero_point": 0},
            "output": {"scale": scale, "zero_point": zero},
            "calibration_images": 200,
            "float_gates": False,
        }
    names = (tmp_path / "x.labels.txt").read_text().splitlines()
    assert names == model.card.class_names
    assert len(list(tmp_path.iterdir())) == 3


def test_sizes_are_those_of_their_precision(model, pictures, tmp_path):
    sizes = {
        precision: export_tflite(
            model,
            tmp_path / "x.tflite",
            precision,
            calibration_data=pictures if precision == "int8" else None,
        ).file_bytes
        for precision in ("float32", "float16", "dynamic", "int8")
    }
    weights = 4 * model.count_params()
    assert weights < sizes["float32"] < 1.2 * weights
    assert sizes["float16"] < 0.6 * sizes["float32"]
    assert sizes["dynamic"] < 0.35 * sizes["float32"]
    assert sizes["int8"] < 0.35 * sizes["float32"]


def test_eight_bits_take_pixels_as_they_are(model, pictures, tmp_path):
    path = tmp_path / "x.tflite"
    # No picture that reaches black and white: the range must be whole anyway.
    dull = (50 + 100 * (pictures / 255)).astype("uint8")
    export_tflite(model, path, "int8", calibration_data=dull)
    [taken] = opened(path).get_input_details()
    assert taken["dtype"] == np.uint8
    assert taken["quantization"] == (1.0, 0)
    # Every channel of a convolution has a scale of its own.
    scales = [
        len(tensor["quantization_parameters"]["scales"])
        for tensor in opened(path).get_tensor_details()
        if len(tensor["shape"]) == 4 and tensor["shape"][0] == 64
    ]
    assert max(scales) == 64


def test_gates_can_stay_in_float32(model, pictures, tmp_path):
    path = tmp_path / "x.tflite"
    export_tflite(
        model, path, "int8", calibration_data=pictures, float_gates=True
    )
    types = collections.defaultdict(set)
    for name, tensors in operators_of(path):
        types[name] |= {tensor["dtype"] for tensor in tensors}
    assert types["LOGISTIC"] == {np.float32}
    # The global pool of the head is in 8 bits, those of the gates are not.
    assert types["MEAN"] == {np.float32, np.int8}
    assert types["ADD"] == {np.int8}
    gates = [
        tensor["dtype"]
        for name, tensors in operators_of(path)
        if name == "CONV_2D"
        for tensor in tensors
        if "_se" in tensor["name"]
    ]
    assert gates == [np.float32] * 18
    assert opened(path).get_input_details()[0]["dtype"] == np.uint8


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_mediapipe_takes_the_file(precision, model, pictures, tmp_path):
    mediapipe = pytest.importorskip("mediapipe")
    from mediapipe.tasks.python import BaseOptions, vision

    path = tmp_path / "x.tflite"
    export_tflite(
        model,
        path,
        precision,
        calibration_data=pictures if precision == "int8" else None,
    )
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(path)), max_results=1
    )
    expected = model.predict_on_batch(pictures.astype("float32"))
    same = 0
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for picture, row in zip(pictures, expected, strict=True):
            image = mediapipe.Image(
                image_format=mediapipe.ImageFormat.SRGB,
                data=np.ascontiguousarray(picture),
            )
            [found] = classifier.classify(image).classifications[0].categories
            same += found.category_name == model.card.class_names[row.argmax()]
            if precision == "float32":
                assert found.score == pytest.approx(row.max(), abs=1e-4)
    assert same >= {"float32": 200, "int8": 194}[precision]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_mediapipe_scales_photos_that_are_cut(
    precision, model, pictures, tmp_path
):
    """Square, and halved until less than twice the size, as the docs say."""
    mediapipe = pytest.importorskip("mediapipe")
    data = pytest.importorskip("skimage.data")
    from mediapipe.tasks.python import BaseOptions, vision

    path = tmp_path / "x.tflite"
    calibration = pictures if precision == "int8" else None
    export_tflite(model, path, precision, calibration_data=calibration)
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(path)), max_results=1
    )
    keras_classifier = keras_senet.Classifier(model)
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for name in ("chelsea", "rocket", "coffee", "astronaut"):
            photo = Image.fromarray(getattr(data, name)())
            side = min(photo.size)
            left, top = ((length - side) // 2 for length in photo.size)
            photo = photo.crop((left, top, left + side, top + side))
            [[expected]] = keras_classifier.predict(photo, top=1)
            while side >= 64:
                side //= 2
                photo = photo.resize((side, side), Image.Resampling.BOX)
            assert 32 <= side < 64
            image = mediapipe.Image(
                image_format=mediapipe.ImageFormat.SRGB, data=np.array(photo)
            )
            [found] = classifier.classify(image).classifications[0].categories
            assert found.category_name == expected[1], name


def test_mediapipe_takes_rgb_alone(tmp_path):
    """As docs/android.md says."""
    pytest.importorskip("mediapipe")
    from mediapipe.tasks.python import BaseOptions, vision

    path = tmp_path / "x.tflite"
    grey = keras_senet.SEResNet20(
        weights=None, classes=2, input_shape=(32, 32, 1)
    )
    export_tflite(grey, path, labels=["a", "b"])
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(path))
    )
    with pytest.raises(ValueError, match="Only RGB"):
        vision.ImageClassifier.create_from_options(options)


def test_metadata_are_what_the_schema_says(model, tmp_path):
    schema = pytest.importorskip(
        "mediapipe.tasks.metadata.metadata_schema_py_generated"
    )
    from tensorflow.lite.python import schema_py_generated as tflite

    path = tmp_path / "x.tflite"
    export_tflite(model, path)
    content = path.read_bytes()
    file = tflite.ModelT.InitFromPackedBuf(content, 0)
    [place] = [
        one.buffer for one in file.metadata if one.name == b"TFLITE_METADATA"
    ]
    data = file.buffers[place].data.tobytes()
    assert data[4:8] == b"M001"
    found = schema.ModelMetadataT.InitFromPackedBuf(data, 0)
    assert found.name == b"SE-ResNet-20"
    assert found.license == model.card.licence.encode()
    [graph] = found.subgraphMetadata
    [taken], [given] = graph.inputTensorMetadata, graph.outputTensorMetadata
    image = taken.content.contentProperties
    assert image.colorSpace == schema.ColorSpaceType.RGB
    assert (image.defaultSize.width, image.defaultSize.height) == (32, 32)
    [unit] = taken.processUnits
    assert (list(unit.options.mean), list(unit.options.std)) == ([0], [1])
    [labels] = given.associatedFiles
    assert labels.name == b"labels.txt"
    assert labels.type == schema.AssociatedFileType.TENSOR_AXIS_LABELS


def test_weights_lie_where_they_can_be_read_at_once(model, tmp_path):
    from tensorflow.lite.python import schema_py_generated as tflite

    path = tmp_path / "x.tflite"
    export_tflite(model, path)
    content = path.read_bytes()
    file = tflite.Model.GetRootAs(content, 0)
    # The schema asks for multiples of 16 (force_align).
    for number in range(file.BuffersLength()):
        buffer = file.Buffers(number)
        if buffer.DataLength():
            at = buffer._tab.Vector(buffer._tab.Offset(4))
            assert at % 16 == 0


def test_logits_without_preprocessing_in_half_precision(tmp_path, rng):
    """What a file takes and gives does not depend on how a model was built."""
    plain = keras_senet.SEResNet20(weights="cifar10")
    other = keras_senet.SEResNet20(
        weights="cifar10",
        include_preprocessing=False,
        classifier_activation=None,
        dtype="mixed_bfloat16",
        input_shape=(None, None, 3),
    )
    images = rng.integers(0, 256, (4, 40, 48, 3)).astype("uint8")
    export_tflite(other, tmp_path / "x.tflite", image_size=(40, 48))
    big = keras_senet.SEResNet20(weights="cifar10", input_shape=(40, 48, 3))
    np.testing.assert_allclose(
        outputs_of(tmp_path / "x.tflite", images),
        big.predict_on_batch(images.astype("float32")),
        atol=1e-4,
    )
    # The model given is as it was.
    assert other.layers[3].compute_dtype == "bfloat16"
    assert not other.card.include_preprocessing
    assert plain.input_shape == (None, 32, 32, 3)


def test_a_file_is_enough_to_classify(model, pictures, tmp_path):
    path = tmp_path / "x.tflite"
    export_tflite(model, path, labels=[f"kind {k}" for k in range(10)])
    Image.fromarray(pictures[0]).save(tmp_path / "a.png")
    classifier = keras_senet.Classifier(path)
    [[(_, name, score)]] = classifier.predict(tmp_path / "a.png", top=1)
    row = model.predict_on_batch(pictures[:1].astype("float32"))[0]
    assert name == f"kind {row.argmax()}"
    assert score == pytest.approx(row.max(), abs=1e-4)


@pytest.mark.slow
def test_a_file_is_evaluated_like_its_network(model, data_dir, tmp_path):
    from keras_senet.data.labelled import open_images
    from keras_senet.evaluation import evaluate

    os.environ["KERAS_SENET_DATA"] = str(data_dir)
    images = open_images("tfds:cifar10", "test").take(np.arange(300))
    export_tflite(model, tmp_path / "x.tflite")
    expected = evaluate(model, images, views="ten")
    found = evaluate(
        str(tmp_path / "x.tflite"), images, views="ten", batch_size=7
    )
    assert (found.images, found.top1, found.top5) == (
        300,
        expected.top1,
        expected.top5,
    )
    assert found.loss == pytest.approx(expected.loss, abs=1e-4)


def test_below_the_limit_nothing_is_written(model, pictures, tmp_path):
    with pytest.raises(AgreementError, match=r"asked for\. Calibrate"):
        export_tflite(
            model,
            tmp_path / "x.tflite",
            "int8",
            calibration_data=pictures[:50],
            images=pictures,
            check=1.0,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("precision", "words"),
    [
        ("dynamic", "precision='float16'"),
        ("float16", "precision='float32'"),
        ("float32", "images like those to come"),
    ],
)
def test_what_to_do_depends_on_the_precision(precision, words):
    report = Report("litert", precision, 1, 10, "images", 0.5, 0.1, 0.9)
    report.check(0.9)
    with pytest.raises(AgreementError, match=words) as error:
        report.check(0.91)
    assert "alibrate" not in str(error.value)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("import os; os.kill(os.getpid(), 11)", "by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL, as when the memory"),
        ("import sys; sys.exit('last words')", "code 1.*last words"),
    ],
)
def test_a_file_that_ends_the_process_that_runs_it(
    ending, words, model, tmp_path, monkeypatch
):
    program = tmp_path / "program.py"
    program.write_text(ending)
    monkeypatch.setattr(runtime, "__file__", str(program))
    with pytest.raises(ConversionError, match=words):
        export_tflite(model, tmp_path / "x.tflite")
    assert list(tmp_path.iterdir()) == [program]


def test_of_a_large_folder_some_are_drawn(
    model, pictures, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(export_images, "MOST", 7)
    for number, picture in enumerate(pictures[:9]):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    found = export_images.collect(tmp_path, model, "images")
    assert "has 9 images, of which 7" in caplog.text
    numbers = [
        number
        for image in found
        for number, picture in enumerate(pictures[:9])
        if np.array_equal(image, picture)
    ]
    assert len(numbers) == len(set(numbers)) == 7
    again = export_images.collect(tmp_path, model, "images")
    np.testing.assert_array_equal(found, again)
    # What lies in memory is taken as a whole.
    assert len(export_images.collect(pictures[:9], model, "images")) == 9


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_outputs_that_are_not_finite_are_no_agreement(
    precision, pictures, tmp_path
):
    broken = keras_senet.SEResNet20(weights="cifar10")
    kernel = broken.get_layer("predictions").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(ValueError, match="not finite"):
        export_tflite(
            broken,
            tmp_path / "x.tflite",
            precision,
            calibration_data=pictures if precision == "int8" else None,
            images=pictures[:9],
            check=1.0,
        )
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="not finite"):
        keras_senet.Classifier(broken).predict(pictures[:2])


def test_one_class_has_a_sigmoid(pictures, tmp_path):
    model = keras_senet.SEResNet20(
        weights=None, classes=1, classifier_activation=None
    )
    logits = model.predict_on_batch(pictures[:5].astype("float32"))
    report = export_tflite(model, tmp_path / "x.tflite", labels=["cat"])
    np.testing.assert_allclose(
        outputs_of(tmp_path / "x.tflite", pictures[:5]),
        1 / (1 + np.exp(-logits)),
        atol=1e-5,
    )
    assert report.top1_agreement is None


def test_features_are_no_classes(tmp_path):
    model = keras_senet.SEResNet20(
        weights="cifar10",
        include_top=False,
        pooling="avg",
        input_shape=(32, 32, 3),
    )
    report = export_tflite(model, tmp_path / "x.tflite")
    assert report.top1_agreement is None
    images = np.full((2, 32, 32, 3), 99, "uint8")
    with pytest.raises(AgreementError, match="classifiers"):
        export_tflite(model, tmp_path / "x.tflite", images=images, check=0.5)


def test_labels_of_a_file_with_a_mark_and_blank_lines(model, tmp_path):
    names = [f"Straße {k}" for k in range(10)]
    text = tmp_path / "names.txt"
    text.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*names, "", ""]).encode())
    export_tflite(model, tmp_path / "x.tflite", labels=text)
    classifier = keras_senet.Classifier(tmp_path / "x.tflite")
    assert classifier.card.class_names == names
    text.write_bytes("Straße\n".encode("latin-1") * 10)
    with pytest.raises(ValueError, match="UTF-8"):
        export_tflite(model, tmp_path / "x.tflite", labels=text)


def test_files_beside_are_left_alone_or_go(model, tmp_path):
    (tmp_path / "x.tflite.part").write_text("mine")
    export_tflite(model, tmp_path / "x.tflite")
    assert (tmp_path / "x.labels.txt").exists()
    unnamed = keras_senet.SEResNet20(weights=None, classes=3)
    export_tflite(unnamed, tmp_path / "x.tflite")
    # Those would be the names of other classes.
    assert not (tmp_path / "x.labels.txt").exists()
    assert (tmp_path / "x.tflite.part").read_text() == "mine"


def test_datasets_of_images(model, pictures, tmp_path):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((pictures, np.arange(200)))
    path = tmp_path / "x.tflite"
    single = export_tflite(model, path, images=data)
    batches = export_tflite(model, path, images=data.batch(64))
    assert single.images == batches.images == 200
    # As keras.utils.image_dataset_from_directory gives them.
    large = pictures[:9].repeat(2, 1).repeat(2, 2).astype("float32") + 0.25
    floats = tf.data.Dataset.from_tensor_slices(np.minimum(large, 255))
    found = export_images.collect(floats.batch(4), model, "images")
    np.testing.assert_array_equal(
        found,
        export_images.collect(
            np.rint(large - 0.25).astype("uint8"), model, "images"
        ),
    )
    for wrong in (data.repeat(), data.map(lambda x, y: {"image": x})):
        with pytest.raises(ValueError, match="`images` is a dataset"):
            export_tflite(model, path, images=wrong)


@pytest.mark.parametrize("batch", [1, 7, 9])
def test_of_a_large_dataset_the_first_are_taken(
    batch, model, pictures, monkeypatch, caplog
):
    import tensorflow as tf

    monkeypatch.setattr(export_images, "MOST", 7)
    data = tf.data.Dataset.from_tensor_slices(pictures[:9]).batch(batch)
    found = export_images.collect(data, model, "images")
    np.testing.assert_array_equal(found, pictures[:7])
    assert "more than 7 images" in caplog.text
    caplog.clear()
    data = tf.data.Dataset.from_tensor_slices(pictures[:7]).batch(batch)
    assert len(export_images.collect(data, model, "images")) == 7
    assert not caplog.text


@pytest.mark.parametrize("size", [32, 48])
@pytest.mark.parametrize("highest", [1.0, 1.2])
def test_one_image_does_not_hide_what_the_others_are(
    size, highest, model, rng, tmp_path
):
    """The most common mistake: [0, 1] where [0, 255] is meant."""
    images = rng.uniform(0, highest, (120, size, size, 3)).astype("float32")
    images[0] *= 200
    for one in (images, list(images), images[1:], images.astype("float64")):
        with pytest.raises(ValueError, match=r"divided by 255.*Multiply"):
            export_tflite(
                model, tmp_path / "x.tflite", "int8", calibration_data=one
            )
    # A black image, and one of whole numbers that is nearly black.
    images *= 200 / highest
    images[0] = 0
    whole = np.minimum(images, 255).astype("uint8")
    whole[0, 0] = 1
    for one in (np.minimum(images, 255), whole):
        assert len(export_images.collect(one, model, "images")) == 120


ALL = np.zeros((100, 32, 32, 3), "uint8")
NOISE = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
BAD = {
    "precision": ({"precision": "int4"}, "'float16'"),
    "nothing to calibrate on": ({"precision": "int8"}, "calibration_data"),
    "calibration of floats": (
        {"calibration_data": ALL},
        "precision='int8' alone",
    ),
    "divided by 255": (
        {"precision": "int8", "calibration_data": ALL + 0.5},
        "divided by 255",
    ),
    "normalised": ({"images": ALL - 1.5}, "normalis"),
    "not finite": ({"images": ALL + np.nan}, "NaN or infinite"),
    "ones": ({"images": ALL + np.uint8(1)}, "divided by 255"),
    "texts": ({"images": np.full((1, 32, 32, 3), "a")}, "numbers"),
    "no folder": ({"images": "nothere"}, "no such file"),
    "no gates": (
        {
            "precision": "int8",
            "float_gates": True,
            "calibration_data": NOISE,
            "model": "resnet20",
        },
        "no SE block",
    ),
    "two lines": ({"labels": ["a\u2028b"] * 10}, "one line"),
    "no text": ({"labels": [None] * 10}, "one line"),
    "one colour": (
        {"precision": "int8", "calibration_data": ALL},
        "0 in all pixels",
    ),
    "labels of no kind": ({"labels": 5}, "a list of names"),
    "labels": ({"labels": ["cat", "dog"]}, "2 names"),
    "no label": ({"labels": [""] * 10}, "empty"),
    "labels' file": ({"labels": "none.txt"}, "no such file"),
    "gates": ({"float_gates": True}, "int8"),
    "check": ({"check": 99}, "from 0 to 1"),
    "check on noise": ({"check": 0.9}, "Give `images`"),
    "size": ({"image_size": 64}, "input_shape"),
    "no images": ({"images": []}, "no image"),
    "wrong shape": ({"images": np.zeros((3, 32, 32, 1), "uint8")}, "shape"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_argument_is_named(case, model, tmp_path):
    arguments, message = BAD[case]
    arguments = dict(arguments)
    if "model" in arguments:
        model = keras_senet.create_model(arguments.pop("model"), weights=None)
    with pytest.raises(ValueError, match=message):
        export_tflite(model, tmp_path / "x.tflite", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_size_below_the_least(tmp_path):
    model = keras_senet.SEResNet20(weights=None, input_shape=(None, None, 3))
    with pytest.raises(ValueError, match="at least 8 pixels"):
        export_tflite(model, tmp_path / "x.tflite", image_size=7)
    export_tflite(model, tmp_path / "x.tflite", image_size=8)


def test_images_of_four_channels(tmp_path):
    model = keras_senet.SEResNet20(weights=None, input_shape=(32, 32, 4))
    with pytest.raises(ValueError, match=r"4 channels.*1 \(grey\) or 3"):
        export_tflite(model, tmp_path / "x.tflite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [None, 5, ""])
def test_what_is_no_path(path, model):
    with pytest.raises(ValueError, match=r"`path` is .*ends in \.tflite"):
        export_tflite(model, path)


@pytest.mark.parametrize(
    "name", ["x.onnx", "missing/x.tflite", "folder.tflite"]
)
def test_a_path_that_cannot_be_written(name, model, tmp_path):
    (tmp_path / "folder.tflite").mkdir()
    with pytest.raises(ValueError, match="path"):
        export_tflite(model, tmp_path / name)
    assert [one.name for one in tmp_path.iterdir()] == ["folder.tflite"]


def test_an_operator_that_litert_lacks_is_named(tmp_path):
    model = keras_senet.SEResNet20(
        weights=None, classifier_activation=keras.ops.erfinv
    )
    with pytest.raises(ConversionError, match="no operator for Erfinv"):
        export_tflite(model, tmp_path / "x.tflite")
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_program(tmp_path):
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten()])
    path = tmp_path / "other.tflite"
    path.write_bytes(to_litert(keras.Model(model.inputs, model.outputs)))
    with pytest.raises(ValueError, match="another program"):
        keras_senet.Classifier(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no LiteRT"):
        keras_senet.Classifier(path)
    with pytest.raises(ValueError, match="does not exist"):
        keras_senet.Classifier(tmp_path / "none.tflite")
