"""The classifier: every engine against the Keras model, on what users give."""

import copy
import json
import os
import pickle
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
from PIL import Image
from small import shallow, small

import keras_senet
from keras_senet import Classifier
from keras_senet.architectures.build import build
from keras_senet.architectures.variants import variant
from keras_senet.data.images import ImageError, center_crop

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="LiteRT's converter reads TensorFlow's graphs",
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SENET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def model():
    return keras_senet.SEResNet20(weights="cifar10")


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    return random.integers(0, 255, (5, 32, 32, 3), dtype="uint8")


def said(caplog):
    """The warnings of this package alone."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "keras_senet"
    ]


def give_statistics(model):
    """Statistics and scales as if the network had been trained."""
    random = np.random.default_rng(2)
    for variable in model.variables:
        kind, shape = variable.name, variable.shape
        if kind in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 1.5, shape))
        elif kind in ("beta", "moving_mean"):
            variable.assign(random.normal(0, 0.1, shape))
    top = model.get_layer("predictions").kernel
    top.assign(random.normal(0, 0.3, top.shape))


def expected(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


@on_tensorflow
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_litert_gives_what_keras_gives(model, images, threads, count):
    classifier = Classifier(model, engine="litert", threads=threads)
    scores = classifier.scores(images[:count])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(
        scores, expected(model, images[:count]), atol=1e-5
    )


@on_tensorflow
@pytest.mark.parametrize(
    ("name", "shape", "changes"),
    [
        ("se_resnext50", (64, 64, 3), {}),
        ("se_shufflenet", (64, 64, 3), {}),
        ("se_mobilenet", (64, 48, 3), {}),
        ("se_bn_inception", (75, 75, 3), {}),
        (
            "se_resnet20",
            (32, 32, 3),
            {"squeeze": "max", "excitation": "hard_sigmoid"},
        ),
    ],
)
def test_litert_runs_every_kind_of_layer(name, shape, changes):
    """Within 1e-4, as the issue of speed asks; untrained, spread statistics."""
    network = variant(shallow(small(name)), **changes)
    model = build(network, input_shape=shape)
    give_statistics(model)
    images = np.random.default_rng(1).integers(0, 255, (3, *shape)) * 1.0
    scores = Classifier(model, engine="litert").scores(images)
    np.testing.assert_allclose(scores, expected(model, images), atol=1e-4)


def test_keras_and_auto_give_what_the_model_gives(model, images):
    for engine in ("keras", "auto"):
        scores = Classifier(model, engine=engine).scores(images)
        np.testing.assert_allclose(scores, expected(model, images), atol=1e-5)


def test_logits_become_probabilities(images):
    logits = keras_senet.SEResNet20(
        weights="cifar10", classifier_activation=None
    )
    scores = Classifier(logits).scores(images)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_it_names_paths_arrays_batches_images_and_folders(
    tmp_path, model, images
):
    paths = []
    for number, image in enumerate(images):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(image).resize((90, 70)).save(paths[-1])
    classifier = Classifier(model)
    from_paths = classifier.predict(paths, top=3)
    assert [len(row) for row in from_paths] == [3] * 5
    assert set(from_paths[0][0][1:2]) < set(model.card.class_names)
    opened = [Image.open(path) for path in paths]
    arrays = [np.asarray(image) for image in opened]
    card = model.card
    crops = np.stack(
        [
            center_crop(image, (32, 32), card.crop, card.interpolation)
            for image in opened
        ]
    )
    for given in (tmp_path, opened, arrays, crops, list(crops), str(tmp_path)):
        assert same(classifier.predict(given, top=3), from_paths)
    for given in (str(paths[2]), arrays[2], opened[2]):
        assert same(classifier.predict(given, top=3), from_paths[2:3])
    assert classifier.predict([]) == []
    assert classifier.scores(np.zeros((0, 32, 32, 3))).shape == (0, 10)


def test_an_opened_image_gives_what_its_file_gives(tmp_path, model):
    """Turned by its camera, and with 16 bits."""
    random = np.random.default_rng(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = random.integers(0, 255, (70, 90, 3), dtype="uint8")
    Image.fromarray(lying).save(tmp_path / "turned.png", exif=exif)
    deep = random.integers(0, 65535, (40, 50), dtype="uint16")
    Image.fromarray(deep).save(tmp_path / "deep.png")
    classifier = Classifier(model)
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            assert same(classifier.predict(image), classifier.predict(path))


def same(one, other):
    """The same names; the scores but for rounding, with the batch's size."""
    names, scores = (
        [[part[place] for row in rows for part in row] for rows in (one, other)]
        for place in (1, 2)
    )
    return names[0] == names[1] and np.allclose(*scores, atol=1e-5)


def test_it_goes_on_after_a_damaged_file(tmp_path, model, images):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(images[0]).save(good)
    bad.write_bytes(b"no image")
    results = dict(Classifier(model).predict_files([bad, good], top=1))
    assert isinstance(results[bad], ImageError)
    assert len(results[good]) == 1
    with pytest.raises(ImageError, match=r"bad\.png"):
        Classifier(model).predict([bad, good])


def test_a_list_of_files_is_asked_for(model):
    classifier = Classifier(model, engine="keras")
    with pytest.raises(ValueError, match=r"'a\.jpg', one path.*a list"):
        classifier.predict_files("a.jpg")
    for size in (0, -1, 1.5):
        with pytest.raises(ValueError, match=f"`batch_size` is {size}"):
            classifier.predict_files(["a.jpg"], batch_size=size)


@on_tensorflow
def test_int8_is_smaller_and_mostly_agrees(model):
    from keras_senet.litert.conversion import to_litert

    # Smooth pictures, which are closer to photos than noise is.
    random = np.random.default_rng(5)
    pictures = [
        np.asarray(
            Image.fromarray(
                random.integers(0, 255, (4, 4, 3), dtype="uint8")
            ).resize((32, 32))
        )
        for _ in range(200)
    ]
    classifier = Classifier(
        model, precision="int8", calibration_data=pictures[:100]
    )
    float_scores = expected(model, np.stack(pictures[100:]))
    scores = classifier.scores(np.stack(pictures[100:]))
    agree = scores.argmax(1) == float_scores.argmax(1)
    assert agree.mean() > 0.85
    content = to_litert(model, "int8", [p[None] for p in pictures[:20]])
    assert len(content) < 0.4 * len(to_litert(model))


@on_tensorflow
def test_a_conversion_is_kept_and_found(model, images, home, monkeypatch):
    first = Classifier(model, engine="litert").scores(images)
    [file] = (home / "litert").iterdir()
    monkeypatch.setattr(
        "keras_senet.litert.conversion.to_litert",
        lambda *_, **__: pytest.fail("converted again"),
    )
    again = Classifier(model, engine="litert").scores(images)
    np.testing.assert_array_equal(first, again)
    # Other weights are another file.
    other = keras_senet.SEResNet20(weights=None)
    with pytest.raises(BaseException, match="converted again"):
        Classifier(other, engine="litert")
    # A damaged one is made anew.
    monkeypatch.undo()
    monkeypatch.setenv("KERAS_SENET_HOME", str(home))
    file.write_bytes(file.read_bytes()[:1000])
    again = Classifier(model, engine="litert").scores(images)
    np.testing.assert_array_equal(first, again)


@on_tensorflow
def test_a_read_only_cache_does_no_harm(model, images, home):
    home.write_text("a file where the folder should be")
    scores = Classifier(model, engine="litert").scores(images)
    np.testing.assert_allclose(scores, expected(model, images), atol=1e-5)


@on_tensorflow
def test_many_threads_of_the_user_share_it(model, images):
    classifier = Classifier(model, engine="litert", threads=2)
    right = expected(model, images)
    wrong = []

    def work(number):
        for _ in range(20):
            one = slice(number, number + 1 + number % 2)
            if abs(classifier.scores(images[one]) - right[one]).max() > 1e-5:
                wrong.append(number)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"engine": "tflite"}, ["'tflite'", "'litert'", "'auto'"]),
        ({"precision": "int4"}, ["'int4'", "'int8'"]),
        ({"threads": 0}, ["threads", "from 1 to 1024"]),
        ({"threads": True}, ["threads"]),
        ({"threads": 100_000}, ["threads", "100000", "to 1024"]),
        ({"threads": 2, "engine": "keras"}, ["threads", "'litert' alone"]),
        ({"precision": "int8"}, ["needs `calibration_data`", "a hundred"]),
        ({"calibration_data": []}, ["calibration_data", "'float32'", "'int8'"]),
        ({"weights": "cifar10"}, ["weights", "its own"]),
    ],
)
def test_wrong_arguments_are_named(model, arguments, words):
    with pytest.raises(ValueError) as caught:
        Classifier(model, **arguments)
    for word in words:
        assert word in str(caught.value)


def test_wrong_models_and_images_are_named(model):
    with pytest.raises(ValueError, match="no card"):
        Classifier(keras.Sequential([keras.Input((2,))]))
    body = keras_senet.SEResNet20(weights=None, include_top=False)
    with pytest.raises(ValueError, match="include_top=True"):
        Classifier(body)
    classifier = Classifier(model, engine="keras")
    with pytest.raises(ValueError, match=r"\(2, 16, 16, 3\).*predict"):
        classifier.scores(np.zeros((2, 16, 16, 3)))
    with pytest.raises(ValueError, match=r"\(32, 32\).*height"):
        classifier.predict(np.zeros((32, 32)))
    with pytest.raises(ValueError, match=r"float64.*uint8"):
        classifier.predict(np.zeros((40, 40, 3)))


@pytest.mark.parametrize(
    "images", [None, 5, object(), iter([]), {"a": 1}, [None], [iter([])]]
)
def test_what_is_no_image_is_told_what_is_allowed(model, images):
    with pytest.raises(ValueError, match="Allowed: ") as caught:
        Classifier(model, engine="keras").predict(images)
    assert "height, width" in str(caught.value)


def test_a_folder_in_a_list_and_an_address_say_so(model, tmp_path):
    classifier = Classifier(model, engine="keras")
    with pytest.raises(ImageError, match="it is a folder"):
        classifier.predict([tmp_path])
    with pytest.raises(ImageError, match="download the image first"):
        classifier.predict(["https://example.org/a.jpg"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_finite_are_named(model, images, value):
    classifier = Classifier(model, engine="keras")
    broken = images.astype("float32")
    broken[3, 4, 5, 0] = value
    for use in (classifier.scores, classifier.predict):
        with pytest.raises(ValueError, match="Image 3 has pixels"):
            use(broken)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x / 255, "from 0.* to 1, which look like .* Multiply by"),
        (lambda x: x / 127.5 - 1, "from -1 to 1. Allowed: pixels in"),
        (lambda x: x * 1.1, r"Allowed: pixels in \[0, 255\]"),
    ],
)
def test_images_of_another_range_are_named(model, images, change, words):
    """The most common mistake, which gives nonsense and no error elsewhere."""
    wrong = images.astype("float32")
    wrong[1, :2] = [[[0]], [[255]]]
    wrong[1] = change(wrong[1])
    classifier = Classifier(model, engine="keras")
    with pytest.raises(ValueError, match=f"Image 1 has .*{words}"):
        classifier.predict(wrong)


@on_tensorflow
def test_a_calibration_of_nothing_or_of_noughts_is_named(model, images):
    with pytest.raises(ValueError, match=r"calibration.*no image"):
        Classifier(model, precision="int8", calibration_data=[])
    broken = np.full((2, 32, 32, 3), np.nan, "float32")
    with pytest.raises(ValueError, match="Image 0 has pixels"):
        Classifier(model, precision="int8", calibration_data=broken)


@on_tensorflow
def test_a_calibration_goes_on_without_damaged_files(
    model, images, tmp_path, caplog
):
    Image.fromarray(images[0]).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    Classifier(model, precision="int8", calibration_data=tmp_path)
    left_out, few, *_ = said(caplog)
    assert "bad.png" in left_out
    assert "1 images" in few
    assert "a hundred" in few


def test_names_of_a_network_that_never_trained_are_called_guesses(
    images, caplog
):
    classifier = Classifier(keras_senet.SEResNet20(weights=None))
    classifier.scores(images)
    assert not said(caplog)
    for _ in range(2):
        classifier.predict(images)
    [warning] = said(caplog)
    assert "never trained" in warning


def test_a_network_of_the_users_is_no_guess(images, caplog):
    trained = keras_senet.SEResNet20(weights=None, include_preprocessing=False)
    trained.compile("sgd", "sparse_categorical_crossentropy")
    trained.fit(images / 255.0, np.zeros(5), verbose=0)
    Classifier(trained, engine="keras").predict(images)
    assert not said(caplog)


def test_a_network_of_64_bits_gives_float32(images):
    model = keras_senet.SEResNet20(weights="cifar10", dtype="float64")
    scores = Classifier(model).scores(images)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected(model, images), atol=1e-6)


@on_tensorflow
def test_it_can_be_copied(model, images):
    classifier = Classifier(model, engine="litert")
    scores = classifier.scores(images)
    for copied in (
        copy.deepcopy(classifier),
        pickle.loads(pickle.dumps(classifier)),
    ):
        np.testing.assert_allclose(copied.scores(images), scores, atol=1e-6)


@on_tensorflow
def test_half_precision_stays_on_keras(images):
    model = keras_senet.SEResNet20(weights="cifar10", dtype="mixed_bfloat16")
    assert Classifier(model).engine == "keras"
    with pytest.raises(ValueError, match="computes in float32"):
        Classifier(model, engine="litert")


@on_tensorflow
def test_what_litert_has_not_stays_on_keras(images, caplog, capfd):
    import tensorflow as tf

    def bessel(x):
        return tf.math.bessel_i0e(x)

    model = keras_senet.SEResNet20(weights="cifar10")
    kinds = (keras.layers.Activation, keras.layers.ReLU)
    layer = next(one for one in model.layers if isinstance(one, kinds))
    layer.call = bessel
    classifier = Classifier(model)
    assert classifier.engine == "keras"
    assert "LiteRT can't convert" in caplog.text
    assert capfd.readouterr().err == ""
    np.testing.assert_allclose(
        classifier.scores(images), expected(model, images), atol=1e-5
    )
    with pytest.raises(ValueError, match="LiteRT can't convert") as caught:
        Classifier(model, engine="litert")
    assert len(str(caught.value)) < 500


@on_tensorflow
def test_without_litert_it_says_what_to_install(model, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert Classifier(model).engine == "keras"
    with pytest.raises(ImportError, match=r"keras_senet\[litert\]"):
        Classifier(model, engine="litert")


def test_other_backends_take_keras_and_say_why(model, monkeypatch):
    if keras.backend.backend() == "tensorflow":
        monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    assert Classifier(model).engine == "keras"
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow"):
        Classifier(model, engine="litert")


@pytest.mark.slow
@on_tensorflow
def test_the_command_line_gives_the_same_on_both_engines(tmp_path, images):
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    rows = {}
    for engine in ("keras", "litert"):
        done = subprocess.run(
            [sys.executable, "-m", "keras_senet", "predict", tmp_path]
            + ["--json", "--engine", engine],
            capture_output=True,
            text=True,
            env={**os.environ, "KERAS_SENET_HOME": str(tmp_path / "home")},
            check=True,
        )
        assert done.stderr == ""
        rows[engine] = json.loads(done.stdout)
    for one, other in zip(rows["keras"], rows["litert"], strict=True):
        for a, b in zip(one["predictions"], other["predictions"], strict=True):
            assert a["name"] == b["name"]
            assert abs(a["score"] - b["score"]) < 1e-4
