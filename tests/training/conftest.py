"""What the tests of training share: models and graphs are freed after each."""

import gc

import keras
import pytest


@pytest.fixture(autouse=True)
def free():
    """A compiled run holds hundreds of megabytes until it is collected."""
    yield
    keras.backend.clear_session()
    gc.collect()
