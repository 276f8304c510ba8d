"""Which output is which class."""

import numpy as np
import pytest

from keras_senet.evaluation.classes import find_outputs
from keras_senet.preprocessing import class_names


@pytest.mark.parametrize(
    ("classes", "names", "expected"),
    [
        (["cat", "dog"], ["cat", "dog"], [0, 1]),
        (["cat", "dog"], ["dog", "ant", "cat"], [2, 0]),
        # African elephant is 386, goldfish 1.
        (["n02504458", "n01443537"], class_names("imagenet"), [386, 1]),
        (["African elephant"], class_names("imagenet"), [386]),
        (["cat", "dog"], None, [0, 1]),
        # Arrays have numbers for names.
        (["0", "1"], ["dog", "ant", "cat"], [0, 1]),
        # Folders with these names; else a number is a place.
        (["0", "1"], ["1", "0"], [1, 0]),
        (["0", "1"], ["a", "b"], [0, 1]),
    ],
)
def test_classes_are_found(classes, names, expected):
    count = len(names or classes)
    found = find_outputs(classes, names, count, "The folder")
    assert np.issubdtype(found.dtype, np.integer)
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("classes", "names", "count", "words"),
    [
        (["cat", "dog"], None, 3, ["2 classes", "3 outputs", "card"]),
        (["0", "1", "2"], None, 2, ["3 classes", "2 outputs"]),
        (["0", "1", "2"], ["a", "b"], 2, ["3 classes", "2 outputs"]),
        (["cat", "yak"], ["cat", "dog"], 2, ["'yak'", "'dog'", "photos"]),
        (["a", "b"], ["b", "a", "a"], 3, ["'a'", "'b'"]),
    ],
)
def test_classes_that_do_not_fit_are_named(classes, names, count, words):
    with pytest.raises(ValueError) as caught:
        find_outputs(classes, names, count, "photos")
    for word in words:
        assert word in str(caught.value)
