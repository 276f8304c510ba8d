"""What the networks cost and what their SE blocks do."""

from keras_senet.analysis.cost import (
    Complexity as Complexity,
    complexity as complexity,
)
from keras_senet.analysis.excitation import excitations as excitations
