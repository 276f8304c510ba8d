"""What the tests of training share: models and graphs are freed after each."""

import gc

import keras
import pytest
from small import shallow

import keras_senet
from keras_senet import applications
from keras_senet.architectures.table import NETWORKS
from keras_senet.constructors import constructor_of


@pytest.fixture(autouse=True)
def free():
    """A compiled run holds hundreds of megabytes until it is collected."""
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.fixture(scope="module")
def three_blocks():
    """SE-ResNet-20 has three blocks of its nine, which are traced sooner."""
    name = "se_resnet20"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, name, shallow(NETWORKS[name]))
        constructor = constructor_of("SEResNet20", name)
        patch.setitem(applications.CONSTRUCTORS, name, constructor)
        patch.setattr(keras_senet, "SEResNet20", constructor)
        yield
