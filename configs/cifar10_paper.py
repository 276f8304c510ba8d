r"""The paper's networks for CIFAR-10 (Table 4).

Command:   ./scripts/train.py --config configs/cifar10_paper.py
           ./scripts/train.py --config configs/cifar10_paper.py \
               --model se_resnet164
           ./scripts/train.py --config configs/cifar10_paper.py \
               --model se_wide_resnet16x8 --epochs 200 --warmup-epochs 0 \
               --decay-epochs [60,120,160] --decay-rate 0.2 --nesterov true \
               --weight-decay 5e-4
Hardware:  one GPU
Hours:     0.9 on 1 GPU at 4 TFLOP/s (estimated: docs/training.md)
Recipe:    Hu et al. 2019, section 5.1, takes that of each network's authors.
           He et al. 2016 divide the rate by 10 after 82 and 123 of 164 epochs,
           Zagoruyko and Komodakis 2016 by 5 after 60, 120 and 160 of 200
Paper:     error SE-ResNet-110 5.21 (6.37 without SE), SE-ResNet-164 4.39
           (5.46), SE-WRN-16-8 3.88 (4.27)
Ours:      not trained here
"""

from keras_senet.training import TrainConfig

config = TrainConfig(
    model="se_resnet110",
    data="tfds:cifar10",
    image_size=32,
    crop="padded",
    validation_crop=1.0,
    batch_size=128,
    epochs=164,
    learning_rate=0.1,
    # He et al. start deep networks at a lower rate, for 400 steps.
    warmup_epochs=1,
    schedule="step",
    decay_epochs=[82, 123],
    decay_rate=0.1,
    weight_decay=1e-4,
)
