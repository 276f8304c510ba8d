#!/usr/bin/env python3
"""Prints the top-1 and top-5 accuracy of a network or an ensemble.

    python scripts/evaluate.py --model se_resnet20 --data tfds:cifar10
    python scripts/evaluate.py --model se_resnet50 --data folder:imagenet \
        --views ten --csv classes.csv
    python scripts/evaluate.py --model senet154 --size 320 \
        --data tfds:imagenet2012 --views multi
    python scripts/evaluate.py --model se_inception_resnet_v2 \
        --weights mine.weights.h5 --crop 299/352 --data folder:imagenet
    python scripts/evaluate.py --model senet154 --model se_resnext101 \
        --data folder:imagenet

It is `keras-senet evaluate`; `--help` lists all arguments. Several machines
divide the images when TF_CONFIG lists them, as tf.distribute has it.
"""

import os
import sys

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_senet.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
