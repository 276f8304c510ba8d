r"""The paper's ablations of SE-ResNet-50 on ImageNet (Tables 10 to 16).

Command:   ./scripts/train.py --config configs/ablation.py
           ./scripts/train.py --config configs/ablation.py --out runs/ratio4 \
               --options "{'normalization': 'mean', 'se_bias': False,
                           'reduction': 4}"
           ./scripts/train.py --config configs/ablation.py --model resnet50 \
               --options "{'normalization': 'mean'}"
Options:   in place of `reduction` (2 to 32, Table 10): `squeeze` ('max',
           'none'; Tables 11, 16), `excitation` ('relu', 'tanh'; Table 12),
           `se_stages` ((2,), (3,), (4,); Table 13), `placement` ('pre', 'post',
           'identity', '3x3'; Tables 14, 15)
Hardware:  8 GPUs, as in the paper
Hours:     15.5 on 8 GPUs at 20 TFLOP/s (estimated: docs/training.md)
Recipe:    Hu et al. 2019, section 6: no biases in the SE blocks, label
           smoothing, rate 0.1, divided by 10 three times when the validation
           loss stays where it is, about 300 epochs. Batch 256 is that of the
           released networks; a plateau of 20 epochs is ours. The text does not
           speak of balanced classes
Paper:     top-1 / top-5 error 22.28 / 6.03; reduction 4 22.25 / 6.09;
           ResNet-50 23.30 / 6.55
Ours:      not trained here
"""

from keras_senet.training import TrainConfig

config = TrainConfig(
    model="se_resnet50",
    data="tfds:imagenet2012",
    options={"normalization": "mean", "se_bias": False},
    batch_size=256,
    epochs=300,
    learning_rate=0.1,
    schedule="plateau",
    patience=20,
    decay_rate=0.1,
    weight_decay=1e-4,
    label_smoothing=0.1,
)
