#!/usr/bin/env python3
"""Trains a network, on one CPU or many machines.

    ./scripts/train.py --config configs/cifar10_se_resnet20.py
    ./scripts/train.py --config configs/cifar10_se_resnet20.py --seed 1

The same as `python -m keras_senet train`; `--help` says more.
"""

import importlib.util
import os
import sys

if importlib.util.find_spec("keras") is None:
    print(
        f"{sys.executable} has no keras. Activate the environment that has it "
        "(source .venv/bin/activate), or install it: pip install .",
        file=sys.stderr,
    )
    sys.exit(2)
os.execv(
    sys.executable,
    [sys.executable, "-m", "keras_senet", "train", *sys.argv[1:]],
)
