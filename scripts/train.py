#!/usr/bin/env python3
"""Trains a network, on one CPU or many machines.

    ./scripts/train.py --config configs/cifar10_se_resnet20.py
    ./scripts/train.py --config configs/cifar10_se_resnet20.py --seed 1

The same as `python -m keras_senet train`; `--help` says more.
"""

import sys

from keras_senet._command_line import import_keras_quietly

import_keras_quietly()

from keras_senet.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
