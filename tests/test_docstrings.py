"""Docstrings say what is given and what comes back, and their examples run."""

import ast
import dataclasses
import doctest
import inspect
import re
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import site_networks
import site_pages
from data.photos import put_photos

import keras_senet
from keras_senet import (
    analysis,
    evaluation,
    export,
    layers,
    optimizers,
    preprocessing,
    training,
)
from keras_senet.analysis import cost, study
from keras_senet.applications import CONSTRUCTORS
from keras_senet.architectures.card import Card, DescribedModel
from keras_senet.data import augmentation, labelled, pipeline
from keras_senet.evaluation import deployed
from keras_senet.export import legacy, optimization
from keras_senet.litert import conversion
from keras_senet.weights import store

ROOT = Path(__file__).parents[1]
PLACES = (
    keras_senet,
    analysis,
    evaluation,
    export,
    layers,
    optimizers,
    preprocessing,
    training,
)


def public():
    """Every public function and class once, by its name."""
    found = {}
    for place in PLACES:
        for name, thing in vars(place).items():
            module = getattr(thing, "__module__", "") or ""
            if (
                not name.startswith("_")
                and (inspect.isfunction(thing) or isinstance(thing, type))
                and module.startswith("keras_senet")
            ):
                found[f"{module}.{name}"] = thing
    return found


PUBLIC = public()
# What the pages and other parts use beside it.
FURTHER = {
    f"{thing.__module__}.{thing.__qualname__}": thing
    for thing in (
        Card,
        DescribedModel,
        analysis.Excitations.overall,
        study.study,
        augmentation.rand_augment,
        conversion.to_litert,
        cost.table,
        deployed.FileEvaluator,
        evaluation.Result.write_csv,
        labelled.open_images,
        legacy.restore,
        legacy.translate,
        pipeline.image_folder,
        store.trust,
    )
}
NO_EXAMPLE = {
    "AgreementError": "raised, not made",
    "ConversionError": "raised, not made",
    "Report": "made by export_tflite, whose example shows one",
}
NOT_RUN = {
    "convert_weights": "a file of another project; tests/weights",
    "from_timm": "a file of another project; tests/weights",
}
NO_REFERENCE = {
    "BatchNormalization": "Keras' own",
    "ChannelShuffle": "of another paper, ShuffleNet's",
    "GroupedConv2D": "Keras' own",
}
SLOW = {"cluster", "prune", "quantization_aware"}
CONSTRUCTORS = {function.__name__ for function in CONSTRUCTORS.values()}


@pytest.mark.parametrize("name", [*PUBLIC, *FURTHER])
def test_it_says_what_is_given_and_what_comes_back(name):
    thing = {**PUBLIC, **FURTHER}[name]
    text = inspect.getdoc(thing)
    assert re.match(r".+\.(\n|$)", text), "no sentence at the beginning"
    function = inspect.isfunction(thing)
    # The arguments of a layer or optimizer of Keras are Keras'.
    if function or "__init__" in vars(thing):
        for parameter in inspect.signature(thing).parameters:
            if parameter not in ("self", "args"):
                key = rf"^    (\*\*|.*, )?{parameter}(, .*)?:\s"
                assert re.search(key, text, re.MULTILINE), parameter
    if function and inspect.signature(thing).return_annotation is not None:
        assert "\nReturns:\n    " in text
    if thing.__name__ not in NO_EXAMPLE:
        assert "\nExample:\n\n>>> " in text
    # What functions that it calls raise can't be seen.
    if function and raises(thing):
        assert "\nRaises:\n    " in text


def raises(function):
    """Whether an error is raised in it, or in what it wraps."""
    source = textwrap.dedent(inspect.getsource(function))
    return any(isinstance(x, ast.Raise) for x in ast.walk(ast.parse(source)))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, thing in PUBLIC.items()
        if thing.__module__.startswith(
            ("keras_senet.analysis", "keras_senet.layers")
        )
        and name.rpartition(".")[2] not in NO_REFERENCE
    ]
    + [name for name, x in PUBLIC.items() if x.__name__ in CONSTRUCTORS],
)
def test_it_names_the_part_of_the_paper(name):
    assert "\nReference:\n    " in inspect.getdoc(PUBLIC[name])


@pytest.mark.parametrize(
    "name",
    [
        f"{name}.{key}"
        for name, thing in PUBLIC.items()
        if isinstance(thing, type)
        for key, member in vars(thing).items()
        if inspect.isfunction(member) and key[0] != "_" and member.__doc__
    ],
)
def test_methods_say_it_too(name):
    name, _, key = name.rpartition(".")
    method = getattr(PUBLIC[name], key)
    text, signature = inspect.getdoc(method), inspect.signature(method)
    for parameter in list(signature.parameters)[1:]:
        assert re.search(rf"^    {parameter}:\s", text, re.MULTILINE), parameter
    if signature.return_annotation is not None:
        assert re.search(r"^(Returns|Yields):\n    ", text, re.MULTILINE)
    if raises(method):
        assert "\nRaises:\n    " in text


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
    **vars(deployed),
    "export_tflite": keras_senet.export_tflite,
    **vars(pipeline),
    **vars(labelled),
    **vars(evaluation),
    **vars(evaluation.result),
    **vars(training),
    "dataclasses": dataclasses,
}


def test_the_page_of_the_api_has_all_of_it():
    page = (ROOT / "docs/api.md").read_text()
    shown = set(re.findall(r"^::: keras_senet\..*?(\w+)$", page, re.MULTILINE))
    there = {name.rpartition(".")[2] for name in PUBLIC} - CONSTRUCTORS
    assert not there - shown


def test_the_page_of_the_networks_has_every_constructor():
    text = site_networks.page()
    titles = re.findall(r"^## (\w+)$", text, re.MULTILINE)
    assert set(titles) == CONSTRUCTORS
    for part in text.split("\n## ")[1:]:
        function = getattr(keras_senet, part.partition("\n")[0])
        described = re.findall(r"^- `(\w+)`: ", part, re.MULTILINE)
        arguments = list(inspect.signature(function).parameters)
        assert described == [*arguments, "ValueError", "TypeError"]
        # Nothing of the docstring is lost.
        words = re.sub(r"\W", "", function.__doc__)
        part = part.replace("```pycon", "")
        assert re.sub(r"\W", "", part).endswith(words)


def test_links_of_the_site_lead_to_the_repository_where_it_has_no_page():
    url = site_pages.repository()
    text = "[a](configs) [b](../configs/) [c](../notebooks/05_what.ipynb)"
    assert site_pages.linked(text) == (
        f"[a]({url}/tree/main/configs) [b]({url}/tree/main/configs) "
        f"[c]({url}/blob/main/notebooks/05_what.ipynb)"
    )
    # What the site has stays: pages, and files of configs.
    text = "[a](docs/study.md) [b](../configs/modern.py) [c](#configs)"
    assert site_pages.linked(text) == text


# Of the constructors two stand for all: they share the text.
RUN = [
    pytest.param(
        name, marks=[pytest.mark.slow] if thing.__name__ in SLOW else []
    )
    for name, thing in {**PUBLIC, **FURTHER}.items()
    if thing.__name__ not in {**NO_EXAMPLE, **NOT_RUN}
    and thing.__name__ not in CONSTRUCTORS - {"SEResNet20", "ResNet20"}
]


@pytest.mark.parametrize("name", RUN)
def test_the_example_of_a_docstring(name, tmp_path, monkeypatch):
    thing = {**PUBLIC, **FURTHER}[name]
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
