r"""SE-ResNet-50 on ImageNet as networks are trained today.

Command:   ./scripts/train.py --config configs/modern.py
           ./scripts/train.py --config configs/modern.py --model resnet50
           ./scripts/train.py --config configs/modern.py \
               --precision mixed_bfloat16 --out runs/modern-bfloat16
Hardware:  8 GPUs (128 images each; `--accumulation 4` where memory is short)
Hours:     15.5 on 8 GPUs at 20 TFLOP/s (estimated: docs/training.md)
Recipe:    near torchvision's of 2021 for its second weights, half as long, with
           RandAugment: batch 1024, rate 0.5 with 5 epochs of warm-up, a cosine,
           label smoothing, mixup, CutMix, averaged weights
Paper:     no such recipe (its own, configs/imagenet.py: 23.29 / 6.62)
Others:    top-1 error 19.74 of SE-ResNet-50 (timm's ra2_in1k, also with
           RandAugment and a cosine)
Ours:      not trained here
"""

from keras_senet.training import TrainConfig

config = TrainConfig(
    model="se_resnet50",
    data="tfds:imagenet2012",
    rand_augment=9,
    mixup=0.2,
    cutmix=1.0,
    batch_size=1024,
    epochs=300,
    learning_rate=0.5,
    warmup_epochs=5,
    schedule="cosine",
    weight_decay=2e-5,
    label_smoothing=0.1,
    ema=0.9999,
)
