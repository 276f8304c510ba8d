"""Other projects' names and layouts of weights, in those of this package.

A dialect is a function of the named arrays of a file and the record of the
network they are for. It gives `layer/variable` -> array and fails on a name
that such a network doesn't have; `weights.load.assign` then sees to it that
every array is used and every variable filled.
"""

from keras_senet.weights.dialects.caffe import caffe
from keras_senet.weights.dialects.classification_models import (
    classification_models,
)
from keras_senet.weights.dialects.keras_applications import keras_applications
from keras_senet.weights.dialects.torch import torch

DIALECTS = {
    "cadene": torch,
    "caffe": caffe,
    "classification_models": classification_models,
    "keras_applications": keras_applications,
    "torch": torch,
}

# What the graphs of a project have that this package's do not by default, as
# far as a network has the keyword. Cadene's are Caffe's.
GEOMETRY = {
    "keras_applications": {"pool": "padded"},
    "torch": {"pool": "padded", "stride_on": "3x3"},
}
