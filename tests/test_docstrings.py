"""The examples in the docstrings run."""

import dataclasses
import doctest

import keras
import numpy as np
import pytest
from data.photos import put_photos

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
