"""What the networks cost and what their SE blocks do."""

from keras_senet.analysis.cost import (
    Complexity as Complexity,
    complexity as complexity,
    layer_costs as layer_costs,
    stage_costs as stage_costs,
)
from keras_senet.analysis.excitation import (
    Excitations as Excitations,
    excitations as excitations,
    gates as gates,
    role as role,
)
