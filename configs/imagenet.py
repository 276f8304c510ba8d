r"""The paper's recipe for ImageNet: SE-ResNet-50, and all others of Table 2.

Command:   ./scripts/train.py --config configs/imagenet.py
           ./scripts/train.py --config configs/imagenet.py --model resnet50
           ./scripts/train.py --config configs/imagenet.py \
               --model se_inception_resnet_v2 --image-size 299 \
               --validation-crop 0.849
Hardware:  8 GPUs (128 images each; `--accumulation 4` where memory is short)
Hours:     5.2 on 8 GPUs at 20 TFLOP/s (estimated: docs/training.md)
Recipe:    Hu et al. 2018, section 5, and 2019, section 5.1. "Balanced" is in
           the former alone, which reports the same Table 2. The weight decay is
           He et al.'s; neither text gives one
Paper:     top-1 / top-5 error 23.29 / 6.62 (ResNet-50: 24.80 / 7.48;
           SE-Inception-ResNet-v2: 19.80 / 4.79, its twin 20.37 / 5.21)
Ours:      not trained here
"""

from keras_senet.training import TrainConfig

config = TrainConfig(
    model="se_resnet50",
    data="tfds:imagenet2012",
    options={"normalization": "mean"},
    balanced=True,
    batch_size=1024,
    epochs=100,
    learning_rate=0.6,
    schedule="step",
    decay_epochs=30,
    decay_rate=0.1,
    weight_decay=1e-4,
)
