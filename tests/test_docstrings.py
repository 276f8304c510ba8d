"""The examples in the docstrings and in the README run."""

import dataclasses
import doctest
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from weights import published_files
from weights.mirror import Mirror, isolate

import keras_senet
from keras_senet import analysis, evaluation, preprocessing, training
from keras_senet.analysis import cost
from keras_senet.data import augmentation, labelled, pipeline
from keras_senet.export import legacy, optimization
from keras_senet.litert import conversion
from keras_senet.weights import store

PUBLIC = [
    keras_senet.Classifier,
    keras_senet.SqueezeExcite,
    keras_senet.layers.BatchNormalization,
    keras_senet.layers.ChannelShuffle,
    keras_senet.layers.GroupedConv2D,
    keras_senet.optimizers.SGD,
    keras_senet.list_models,
    keras_senet.create_model,
    keras_senet.preprocess_input,
    keras_senet.decode_predictions,
    preprocessing.class_names,
    # One constructor stands for all: they share the text.
    keras_senet.SEResNet20,
    keras_senet.ResNet20,
    keras_senet.export_tflite,
    keras_senet.export.export,
    evaluation.deployed.FileEvaluator,
    analysis.complexity,
    analysis.layer_costs,
    analysis.stage_costs,
    analysis.gates,
    analysis.excitations,
    analysis.role,
    analysis.accuracy_without,
    analysis.suggest,
    analysis.grad_cam,
    analysis.plot_excitations,
    analysis.plot_spread,
    cost.table,
    keras_senet.find_network,
    keras_senet.add_squeeze_excite,
    preprocessing.wordnet_ids,
    store.trust,
    augmentation.rand_augment,
    conversion.to_litert,
    legacy.translate,
    legacy.restore,
    *(
        pytest.param(thing, marks=pytest.mark.slow)
        for thing in (
            optimization.quantization_aware,
            optimization.prune,
            optimization.cluster,
        )
    ),
    pipeline.image_folder,
    labelled.open_images,
    evaluation.Evaluator,
    evaluation.Result.write_csv,
    evaluation.evaluate,
    training.TrainConfig,
    training.finetune,
    training.train,
]
NAMES = {
    "np": np,
    "keras": keras,
    "keras_senet": keras_senet,
    **vars(preprocessing),
    **vars(cost),
    **vars(analysis),
    **vars(store),
    **vars(augmentation),
    **vars(conversion),
    **vars(legacy),
    **vars(optimization),
    **vars(evaluation.deployed),
    "export_tflite": keras_senet.export_tflite,
    **vars(pipeline),
    **vars(labelled),
    **vars(evaluation),
    **vars(evaluation.result),
    **vars(training),
    "dataclasses": dataclasses,
}


def put_photos(folder):
    """The pictures that the examples speak of."""
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            one = folder / "photos" / part / name
            one.mkdir(parents=True)
            Image.new("RGB", (80, 60), "red").save(one / "1.jpg")
    Image.new("RGB", (64, 48)).save(folder / "photo.jpg")


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__name__)
def test_the_example_of_a_docstring(thing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_SENET_HOME", str(tmp_path / "home"))
    put_photos(tmp_path)
    parser = doctest.DocTestParser()
    test = parser.get_doctest(
        thing.__doc__, dict(NAMES), thing.__name__, None, 0
    )
    assert test.examples
    outcome = doctest.DocTestRunner(verbose=False).run(test)
    assert outcome.failed == 0


def blocks():
    root = Path(__file__).parents[1]
    for page in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        found = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
        for number, block in enumerate(found):
            yield pytest.param(block, id=f"{page.stem}-{number}")


@pytest.mark.parametrize("block", blocks())
def test_the_readme_and_the_docs_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if 'weights="imagenet"' in block:
        # From a mirror on loopback, with a file laid out as the real one.
        published_files.write_h5(
            tmp_path / "seresnet50_imagenet_1000.h5",
            published_files.classification_models("seresnet50"),
        )
        published_files.publish(monkeypatch, tmp_path)
        isolate(monkeypatch, tmp_path / "home")
        mirror = Mirror(tmp_path).__enter__()
        monkeypatch.setenv("KERAS_SENET_MIRROR", mirror.url)
    put_photos(tmp_path)
    exec(block, {})


def test_the_readme_names_the_networks_as_they_are():
    text = (Path(__file__).parents[1] / "README.md").read_text()
    for name in re.findall(r"keras_senet\.([A-Z]\w+)\(", text):
        assert hasattr(keras_senet, name)
