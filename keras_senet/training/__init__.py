"""Training on one CPU, several GPUs or several machines."""

from keras_senet.distribution import STRATEGIES as STRATEGIES
from keras_senet.training.config import (
    TrainConfig as TrainConfig,
    load_config as load_config,
)
from keras_senet.training.finetune import finetune as finetune
from keras_senet.training.loop import train as train
