"""The channel shuffle of ShuffleNet (Zhang et al. 2018, section 3.1)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_senet")
class ChannelShuffle(keras.layers.Layer):
    """Deals the channels of `groups` groups out in turn.

    Channel `j` of group `i` becomes channel `j * groups + i`, so that the next
    grouped convolution sees every group.

    Args:
        groups: positive integer that divides the channels.
        axis: integer, the axis of the channels. Defaults to `-1`.
        **kwargs: `name`, `dtype` and `trainable` of `keras.layers.Layer`.

    Input shape:
        Any with a fixed number of channels.

    Output shape:
        The shape of the input.

    Raises:
        ValueError: (when built) if the channels can't be divided by `groups`.

    Example:

    >>> layer = keras_senet.layers.ChannelShuffle(2)
    >>> keras.ops.convert_to_numpy(layer(np.array([[0, 1, 2, 3]])))
    array([[0, 2, 1, 3]])
    """

    def __init__(self, groups: int, axis: int = -1, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups
        self.axis = axis

    def build(self, input_shape):
        channels = input_shape[self.axis]
        if self.groups < 1 or channels % self.groups:
            raise ValueError(
                f"`groups` is {self.groups}, which does not divide the "
                f"{channels} channels of an input of shape {input_shape}. "
                "Allowed: a positive divisor of the channels."
            )

    def call(self, inputs):
        axis = self.axis % len(inputs.shape)
        # The batch is -1, so that only height and width may be unknown.
        before = ops.shape(inputs)[1:axis]
        after = ops.shape(inputs)[axis + 1 :]
        width = inputs.shape[axis] // self.groups
        x = ops.reshape(inputs, (-1, *before, self.groups, width, *after))
        x = ops.swapaxes(x, axis, axis + 1)
        return ops.reshape(x, (-1, *before, self.groups * width, *after))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "groups": self.groups,
            "axis": self.axis,
        }
