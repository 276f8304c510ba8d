r"""SE-ResNet-152 and ResNet-152 on Places365.

Command:   ./scripts/train.py --config configs/places365.py
           ./scripts/train.py --config configs/places365.py --model resnet152
           ./scripts/train.py --config configs/places365.py \
               --data folder:/data/places365_challenge --epochs 22 \
               --decay-epochs 6.6
Data:      the 1.8 million images of places365_small; in the third command the
           paper's 8 million of Places365-Challenge, for as many steps (tfds has
           no Challenge set: bring it into train/CLASS/ and val/CLASS/)
Hardware:  8 GPUs (128 images each; `--accumulation 4` where memory is short)
Hours:     21.2 on 8 GPUs at 20 TFLOP/s (estimated: docs/training.md)
Recipe:    Hu et al. 2019, section 5.2, which says "from scratch" and follows
           Shen et al.'s protocol, whose balanced classes these are, without
           numbers: the rest is that of configs/imagenet.py
Paper:     top-1 / top-5 error 40.37 / 11.01 (ResNet-152: 41.15 / 11.61),
           trained on the Challenge set
Ours:      not trained here
"""

import dataclasses
from pathlib import Path

from keras_senet.training import load_config

config = dataclasses.replace(
    load_config(Path(__file__).with_name("imagenet.py")),
    model="se_resnet152",
    data="tfds:places365_small",
)
