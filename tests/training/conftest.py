"""What the tests of training share: models and graphs are freed after each."""

import gc

import keras
import pytest
from small import made_shallow


@pytest.fixture(autouse=True)
def free():
    """A compiled run holds hundreds of megabytes until it is collected."""
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.fixture(scope="module")
def three_blocks():
    """SE-ResNet-20 has three blocks of its nine."""
    with made_shallow("se_resnet20"):
        yield
