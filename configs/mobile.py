r"""SE-MobileNet and SE-ShuffleNet on ImageNet.

Command:   ./scripts/train.py --config configs/mobile.py
           ./scripts/train.py --config configs/mobile.py --model se_shufflenet
           ./scripts/train.py --config configs/mobile.py --model mobilenet
Hardware:  8 GPUs, as in the paper, and cores that read 9,000 images a second
Hours:     15.2 on 8 GPUs at 4 TFLOP/s (estimated: docs/training.md)
Recipe:    Hu et al. 2019, section 5.1: batch 256, rate 0.1, divided by 10 when
           the validation loss stays where it is, about 400 epochs. A plateau of
           20 epochs is ours, and three divisions at most. The weight decay is
           that of the paper's earlier text. "Slightly less aggressive"
           augmentation is not followed: crops are those of configs/imagenet.py
Paper:     top-1 / top-5 error SE-MobileNet 25.3 / 7.7 (28.4 / 9.4 without SE),
           SE-ShuffleNet 31.0 / 11.1 (32.6 / 12.5)
Ours:      not trained here
"""

from keras_senet.training import TrainConfig

config = TrainConfig(
    model="se_mobilenet",
    data="tfds:imagenet2012",
    options={"normalization": "mean"},
    batch_size=256,
    epochs=400,
    learning_rate=0.1,
    schedule="plateau",
    patience=20,
    decay_rate=0.1,
    weight_decay=4e-5,
)
