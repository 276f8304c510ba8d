r"""SENet-154 on ImageNet, and then at 320 pixels.

Command:   ./scripts/train.py --config configs/senet154.py
           ./scripts/train.py --config configs/senet154.py \
               --weights runs/senet154-senet154-seed0/model.keras \
               --out runs/senet154-320 --image-size 320 --batch-size 512 \
               --epochs 10 --learning-rate 0.01 --schedule cosine \
               --frozen-norm-epochs 10
Hardware:  64 GPUs in 8 machines, as in the paper (32 images each). On 8 GPUs
           `--accumulation 8` keeps the batch
Hours:     4.3 on 64 GPUs at 16 TFLOP/s (estimated: docs/training.md), and 0.9
           for the second command
Recipe:    Hu et al. 2019, appendix: batch 2048, rate 1.0, label smoothing,
           batch normalisation fixed for "the last few" epochs (5 is ours); the
           dropout of 0.2 is the network's. The rest as configs/imagenet.py.
           Of the network "trained at 320" the paper says no more, so the second
           command is ours
Paper:     top-1 / top-5 error 18.68 / 4.47 at 224, 17.28 / 3.79 at 320,
           16.88 / 3.58 trained at 320
Ours:      not trained here
"""

from keras_senet.training import TrainConfig

config = TrainConfig(
    model="senet154",
    data="tfds:imagenet2012",
    options={"normalization": "mean"},
    balanced=True,
    batch_size=2048,
    epochs=100,
    learning_rate=1.0,
    schedule="step",
    decay_epochs=30,
    decay_rate=0.1,
    weight_decay=1e-4,
    label_smoothing=0.1,
    frozen_norm_epochs=5,
)
