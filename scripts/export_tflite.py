#!/usr/bin/env python3
"""Writes a network as a LiteRT (TFLite) file for an Android app.

    python scripts/export_tflite.py --model se_resnet20 --out se_resnet20.tflite
    python scripts/export_tflite.py --model runs/mine/model.keras \
        --precision int8 --calibrate photos --check 0.95 --out mine.tflite

It is `keras-senet export`; `--help` lists all arguments.
"""

import os
import sys

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_senet.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
