"""SE-ResNet-20 on CIFAR-10, and its plain twin with `--model resnet20`.

Command:   ./scripts/train.py --config configs/cifar10_se_resnet20.py
Hardware:  two cores of a CPU
Hours:     0.3, measured in bfloat16 (`--precision mixed_bfloat16`)
Recipe:    He et al. 2016, section 4.2 (padded crops and flips, batch 128,
           rate 0.1, momentum 0.9), with a cosine in place of the steps so that
           20 epochs are enough, and a weight decay of 5e-4
Paper:     none; it has no network of this depth
Ours:      top-1 89.5 %, the twin 89.1, means of three seeds (README.md)
"""

from keras_senet.training import TrainConfig

config = TrainConfig(
    model="se_resnet20",
    data="tfds:cifar10",
    image_size=32,
    crop="padded",
    validation_crop=1.0,
    batch_size=128,
    epochs=20,
    learning_rate=0.1,
    warmup_epochs=2,
    schedule="cosine",
    nesterov=True,
    weight_decay=5e-4,
)
