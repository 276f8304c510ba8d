"""What the tests share: quiet start, the folders of data, numpy seeds."""

import gc
import os
import sys
import tempfile
from pathlib import Path

# Before Keras is imported: see keras_senet/_command_line.py.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# JAX compiles in a quarter of the time; how fast it computes then is no matter.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# No test downloads anything but from a mirror of its own.
os.environ["KERAS_SENET_MIRROR"] = "http://127.0.0.1:9"
os.environ["KERAS_SENET_HOME"] = tempfile.mkdtemp(prefix="keras_senet_tests_")
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "training"))
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import numpy as np
import pytest


def pytest_collection_finish():
    """What is imported stays: no collection looks through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seed():
    """Initial weights and dropout, the same in every run."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="module", autouse=True)
def free():
    """What a file's tests compiled is freed after the last of them.

    TensorFlow, JAX and Keras keep it else until the process ends, and two
    processes soon have all of the machine's memory.
    """
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
    gc.collect()


@pytest.fixture
def rng():
    """Random numbers, the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def data_dir():
    """The folder of tensorflow_datasets."""
    return _folder("KERAS_SENET_DATA", "the folder of tensorflow_datasets")


@pytest.fixture(scope="session")
def refs():
    """The folder of trained weights that may not be published."""
    return _folder("KERAS_SENET_REFS", "the folder of reference weights")


def _folder(variable, what):
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is not set: it names {what}")
    return Path(os.environ[variable])
