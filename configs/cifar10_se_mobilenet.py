"""SE-MobileNet at half width on CIFAR-10, for a phone (docs/android.md).

Command:   ./scripts/train.py --config configs/cifar10_se_mobilenet.py
Hardware:  two cores of a CPU
Hours:     0.9, measured in float32 with other work beside it
Recipe:    that of configs/cifar10_se_resnet20.py. Two of MobileNet's five
           strides are left out, so that its last map is 4x4, not one pixel
Paper:     none; it has no MobileNet on CIFAR-10
Ours:      results/litert.csv
"""

import dataclasses
from pathlib import Path

from keras_senet.training import load_config

config = dataclasses.replace(
    load_config(Path(__file__).with_name("cifar10_se_resnet20.py")),
    model="se_mobilenet",
    options={"alpha": 0.5, "strides": (1, 1, 2, 2, 2, 1)},
)
