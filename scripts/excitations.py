#!/usr/bin/env python3
"""Measures what a network's SE blocks do: results/excitations_se_resnet20.

    python scripts/excitations.py --model se_resnet20 --data tfds:cifar10 \
        --split test --classes airplane automobile cat dog frog \
        --out results/excitations_se_resnet20
    python scripts/excitations.py --model se_resnet50 --data folder:imagenet \
        --classes goldfish pug airliner cliff --out runs/gates

It is `keras-senet excitations`; `--help` lists all arguments.
"""

import os
import sys

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_senet.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["excitations", *sys.argv[1:]]))
