"""Weights files: right ones load, wrong ones change nothing."""

import shutil

import h5py
import keras
import numpy as np
import pytest

import keras_senet
from keras_senet.weights.load import load_weights


def arrays(model):
    return [keras.ops.convert_to_numpy(v) for v in model.weights]


def build(**arguments):
    return keras_senet.SEResNet20(**{"weights": None, **arguments})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model with weights unlike any initial ones, and its two files."""
    folder = tmp_path_factory.mktemp("weights")
    model = build()
    rng = np.random.default_rng(1)
    for variable in model.weights:
        variable.assign(rng.uniform(0.1, 1, variable.shape))
    model.save_weights(folder / "model.weights.h5")
    model.save(folder / "model.keras")
    return model, folder


@pytest.mark.parametrize("suffix", ["weights.h5", "keras"])
def test_a_file_of_keras_loads(saved, suffix):
    model, folder = saved
    path = folder / f"model.{suffix}"
    loaded = build(weights=str(path))
    for left, right in zip(arrays(model), arrays(loaded), strict=True):
        np.testing.assert_array_equal(left, right)
    assert loaded.card.weights == str(path)
    assert arrays(build(weights=path))[0].shape == arrays(model)[0].shape


def test_without_top_the_classifier_is_left_out(saved):
    model, folder = saved
    body = build(weights=folder / "model.weights.h5", include_top=False)
    for left, right in zip(arrays(model)[:-2], arrays(body), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_file_does_not_depend_on_the_classes_of_its_layers(saved, tmp_path):
    """The key of a layer holds its class; its name lies beside it."""
    model, folder = saved
    path = tmp_path / "renamed.weights.h5"
    shutil.copy(folder / "model.weights.h5", path)
    with h5py.File(path, "a") as file:
        for key in list(file["layers"]):
            file.move(f"layers/{key}", f"layers/other_{key}")
    for left, right in zip(
        arrays(model), arrays(build(weights=path)), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def refuse(path, words, model=None):
    """The file is refused in these words, and the model stays as it was."""
    model = model or build()
    before = arrays(model)
    with pytest.raises(ValueError) as error:
        load_weights(model, path)
    for word in words:
        assert word in str(error.value)
    for left, right in zip(before, arrays(model), strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_file_of_an_se_network_does_not_load_into_its_twin(saved):
    _, folder = saved
    refuse(
        folder / "model.weights.h5",
        ["another network than resnet20", "it alone has conv2_block1_se"],
        keras_senet.ResNet20(weights=None),
    )


def test_the_file_of_a_twin_does_not_load_into_the_se_network(tmp_path):
    path = tmp_path / "plain.weights.h5"
    keras_senet.ResNet20(weights=None).save_weights(path)
    refuse(path, ["another network", "it lacks conv2_block1_se/reduce_kernel"])


def test_another_shape_is_refused(tmp_path):
    path = tmp_path / "reduction.weights.h5"
    build(reduction=4).save_weights(path)
    refuse(path, ["(1, 1, 16, 4)", "(1, 1, 16, 1)", "Nothing was loaded"])


def test_other_classes_are_refused(saved):
    _, folder = saved
    path = folder / "model.weights.h5"
    with pytest.raises(
        ValueError, match=r"10 classes.*`classes` is 3.*classes=10"
    ):
        build(weights=path, classes=3)


def test_a_file_without_classifier_is_refused(tmp_path):
    path = tmp_path / "body.weights.h5"
    build(include_top=False).save_weights(path)
    refuse(path, ["no classifier", "include_top=False"])


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
@pytest.mark.parametrize("suffix", ["weights.h5", "keras"])
def test_a_truncated_file_is_refused(saved, tmp_path, keep, suffix):
    _, folder = saved
    content = (folder / f"model.{suffix}").read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    refuse(path, [str(path), "damaged"])


@pytest.mark.parametrize("suffix", ["weights.h5", "keras"])
def test_other_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"page.{suffix}"
    path.write_text("<html>404 Not Found</html>")
    refuse(path, [str(path), "damaged, or no weights file"])


def test_an_empty_hdf5_file_is_refused(tmp_path):
    path = tmp_path / "empty.weights.h5"
    h5py.File(path, "w").close()
    refuse(path, ["it lacks conv1_conv/kernel"])


def test_a_header_that_lies_about_its_size_is_refused(saved, tmp_path):
    """A billion numbers are claimed, and none is read or allocated."""
    _, folder = saved
    path = tmp_path / "huge.weights.h5"
    shutil.copy(folder / "model.weights.h5", path)
    with h5py.File(path, "a") as file:
        del file["layers/conv2d/vars/0"]
        file["layers/conv2d/vars"].create_dataset(
            "0", shape=(10**6, 10**6), dtype="float32", chunks=(1000, 1000)
        )
    refuse(path, ["(1000000, 1000000)", "Nothing was loaded"])


def test_a_missing_file_is_named(tmp_path):
    refuse(tmp_path / "none.weights.h5", ["none.weights.h5", "does not exist"])
    with pytest.raises(ValueError, match="does not exist"):
        build(weights="folder/none.keras")


def test_unknown_tags_list_the_known_ones():
    with pytest.raises(
        ValueError, match=r"'imagenet'.*None, the path .*'cifar10'"
    ):
        build(weights="imagenet")
    with pytest.raises(ValueError, match=r"'cifar10'.*knows for SE-ResNet-50"):
        keras_senet.SEResNet50(weights="cifar10")


def test_an_altered_network_does_not_take_a_tag():
    with pytest.raises(ValueError, match=r"reduction=4 \(not 16\)"):
        build(weights="cifar10", reduction=4)
    with pytest.raises(ValueError, match="3 channels"):
        build(weights="cifar10", input_shape=(32, 32, 1))


def test_bfloat16_files_load(tmp_path):
    model = build(dtype="bfloat16")
    path = tmp_path / "half.weights.h5"
    model.save_weights(path)
    loaded = build(weights=path)
    for left, right in zip(arrays(model), arrays(loaded), strict=True):
        np.testing.assert_array_equal(left.astype("float32"), right)


def test_a_saved_model_brings_its_normalization_and_names(tmp_path):
    path = tmp_path / "mine.keras"
    model = build(normalization="signed", classes=10)
    model.card.class_names = list("abcdefghij")
    model.save(path)
    loaded = build(weights=path)
    x = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    np.testing.assert_allclose(
        model.predict(x, verbose=0), loaded.predict(x, verbose=0), atol=1e-6
    )
    assert loaded.card.class_names == list("abcdefghij")


def test_the_measured_accuracy_is_of_the_whole_as_it_is():
    first = build(weights="cifar10")
    first.card.measured["top1"] = 0.0
    assert build(weights="cifar10").card.measured["top1"] > 0.9
    assert build(weights="cifar10", include_top=False).card.measured is None
    assert build(weights="cifar10", classes=3).card.measured is None
    other = build(weights="cifar10", normalization="signed")
    assert other.card.measured is None
