"""What the networks cost and what their SE blocks do."""

from keras_senet.analysis.class_activation import grad_cam as grad_cam
from keras_senet.analysis.cost import (
    Complexity as Complexity,
    LayerCost as LayerCost,
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
from keras_senet.analysis.figures import (
    plot_depth as plot_depth,
    plot_excitations as plot_excitations,
    plot_spread as plot_spread,
)
from keras_senet.analysis.removal import (
    accuracy_without as accuracy_without,
    block_groups as block_groups,
    stage_groups as stage_groups,
    suggest as suggest,
)
