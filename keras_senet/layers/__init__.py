"""What the networks are made of and Keras lacks."""

from keras_senet.layers.batch_norm import (
    BatchNormalization as BatchNormalization,
)
from keras_senet.layers.channel_shuffle import ChannelShuffle as ChannelShuffle
from keras_senet.layers.grouped_conv import GroupedConv2D as GroupedConv2D
from keras_senet.layers.squeeze_excite import SqueezeExcite as SqueezeExcite
