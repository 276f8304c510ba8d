#!/usr/bin/env python3
"""Trains a network, on one CPU or many machines.

    ./scripts/train.py --config configs/cifar10_se_resnet20.py
    ./scripts/train.py --config configs/cifar10_se_resnet20.py --seed 1

The same as `python -m keras_senet train`; `--help` says more.
"""

import os
import sys

os.execv(
    sys.executable,
    [sys.executable, "-m", "keras_senet", "train", *sys.argv[1:]],
)
