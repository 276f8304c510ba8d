"""What the dialects share: layouts, and what can be folded into what."""

import numpy as np


def unknown_key(key: str, network, project: str) -> ValueError:
    """Returns the error for a name that a network does not have."""
    return ValueError(
        f"The key {key!r} is none of {network.title} as {project} names its "
        "layers. Is the file of another network? Nothing was loaded."
    )


def from_oihw(array: np.ndarray) -> np.ndarray:
    """Turns a kernel of torch or Caffe, outputs first, into one of Keras."""
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    return array.transpose() if array.ndim == 2 else array


def fold_biases(arrays: dict[str, np.ndarray]) -> None:
    """Moves the biases of convolutions into the means that follow them.

    A batch normalisation subtracts its mean from the biased output, so that
    bias and mean are one number.
    """
    for key in [key for key in arrays if key.endswith("_conv/bias")]:
        mean = key.replace("_conv/bias", "_bn/moving_mean")
        if mean in arrays:
            arrays[mean] = arrays[mean] - arrays.pop(key)


def fold_gammas(arrays: dict[str, np.ndarray]) -> None:
    """Moves the gammas of batch normalisations into what comes before them.

    gamma * (x - mean) is (gamma * x) - (gamma * mean), and a factor on the
    output of a convolution is one on its kernel.
    """
    for key in [key for key in arrays if key.endswith("_bn/gamma")]:
        gamma = arrays.pop(key)
        kernel = key.replace("_bn/gamma", "_conv/kernel")
        mean = key.replace("gamma", "moving_mean")
        arrays[kernel] = arrays[kernel] * gamma
        arrays[mean] = arrays[mean] * gamma


def flip_channels(arrays: dict[str, np.ndarray]) -> None:
    """Turns the first kernel of a network for BGR images into one for RGB."""
    for key in {"conv1_conv/kernel", "conv1_1_conv/kernel"} & arrays.keys():
        arrays[key] = arrays[key][:, :, ::-1, :]
