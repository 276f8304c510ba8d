"""The gates of a network's SE blocks (the paper's section 7)."""

import keras
import numpy as np

from keras_senet.layers import SqueezeExcite


def excitations(
    model: keras.Model, images, batch_size: int = 32
) -> dict[str, np.ndarray]:
    """Returns the gates that a model's SE blocks give to images.

    Args:
        model: a functional model with `SqueezeExcite` layers.
        images: array of shape `(count, *model.input_shape[1:])`, as the model
            takes them.
        batch_size: images per step, which bounds the memory. Defaults to `32`.

    Returns:
        Name of the SE layer -> array of shape `(count, channels)`, in the order
        of the network. Gates per position (`squeeze="none"`) are averaged over
        the positions.

    Raises:
        ValueError: if the model has no SE block, or the images are no batch.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> images = np.zeros((4, 32, 32, 3))
    >>> gates = keras_senet.analysis.excitations(model, images)
    >>> gates["conv4_block3_se"].shape
    (4, 64)

    Reference:
        The paper's section 7.2, Fig. 6.
    """
    blocks = [x for x in model.layers if isinstance(x, SqueezeExcite)]
    if not blocks:
        raise ValueError(
            f"{model.name} has no SqueezeExcite layer whose gates could be "
            "read. Give a network with SE blocks, such as SEResNet20."
        )
    if len(images.shape) != len(model.input_shape):
        raise ValueError(
            f"`images` has the shape {tuple(images.shape)}, and {model.name} "
            f"takes {model.input_shape}: a batch. For one image give "
            "`image[None]`."
        )
    maps = keras.Model(model.input, [layer.input for layer in blocks])
    collected = {layer.name: [] for layer in blocks}
    for start in range(0, len(images), batch_size):
        inputs = maps(images[start : start + batch_size], training=False)
        for layer, x in zip(blocks, inputs, strict=True):
            gates = keras.ops.convert_to_numpy(
                keras.ops.cast(layer.excite(x), "float32")
            )
            axis = -1 if layer.data_format == "channels_last" else 1
            gates = np.moveaxis(gates, axis, -1)
            positions = tuple(range(1, gates.ndim - 1))
            collected[layer.name].append(gates.mean(axis=positions))
    return {name: np.concatenate(parts) for name, parts in collected.items()}
