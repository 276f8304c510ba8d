"""SE-MobileNet at half width on CIFAR-10, for a phone (docs/android.md).

Command:   ./scripts/train.py --config configs/cifar10_se_mobilenet.py
Hardware:  two cores of a CPU
Recipe:    that of configs/cifar10_se_resnet20.py. Two of MobileNet's five
           strides are left out, so that its last map is 4x4, not one pixel
"""

from keras_senet.training import TrainConfig

config = TrainConfig(
    model="se_mobilenet",
    data="tfds:cifar10",
    options={"alpha": 0.5, "strides": (1, 1, 2, 2, 2, 1)},
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
