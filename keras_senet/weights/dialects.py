"""Other projects' names and layouts of weights, in those of this package."""

import re

import numpy as np

# torch's layouts: convolutions (out, in, height, width), linear (out, in).
_SUFFIXES = {
    "conv": {"weight": "kernel"},
    "bn": {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    },
    "predictions": {"weight": "kernel", "bias": "bias"},
}
_BLOCK = re.compile(r"layer(\d+)\.(\d+)\.(.+)\.(\w+)")
# Parts of a residual block as torchvision and timm (resnet.py) call them, and
# akamaster/pytorch_resnet_cifar10 too.
_PARTS = {
    **{f"conv{n}": f"{n}_conv" for n in (1, 2, 3)},
    **{f"bn{n}": f"{n}_bn" for n in (1, 2, 3)},
    "downsample.0": "0_conv",
    "downsample.1": "0_bn",
    "se.fc1": "se/reduce",
    "se.fc2": "se/expand",
    # Cadene's port of the Caffe networks, in timm's senet.py.
    "se_module.fc1": "se/reduce",
    "se_module.fc2": "se/expand",
}
_OUTSIDE = {
    "conv1": "conv1_conv",
    "bn1": "conv1_bn",
    "fc": "predictions",
    "linear": "predictions",
    "layer0.conv1": "conv1_conv",
    "layer0.bn1": "conv1_bn",
    "last_linear": "predictions",
}


def torch_resnet(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Translates the state dict of a torch ResNet.

    Args:
        arrays: torch's key -> array, as timm's and torchvision's `resnet.py`
            name them.

    Returns:
        `layer/variable` -> array in the layout of Keras.

    Raises:
        ValueError: for a key that such a network does not have.
    """
    translated = {}
    for key, array in arrays.items():
        if key.endswith("num_batches_tracked"):
            # A counter that only torch's training uses.
            continue
        translated[_torch_resnet_key(key)] = _from_torch(np.asarray(array))
    return translated


def _torch_resnet_key(key):
    block = _BLOCK.fullmatch(key)
    if block:
        stage, index, part, suffix = block.groups()
        # conv1 is the stem: torch's layer1 is Keras' conv2.
        prefix = f"conv{int(stage) + 1}_block{int(index) + 1}_"
        layer = _PARTS.get(part)
    else:
        part, _, suffix = key.rpartition(".")
        prefix, layer = "", _OUTSIDE.get(part)
    if layer and "se/" in layer:
        suffix = {"weight": "kernel", "bias": "bias"}.get(suffix)
        if suffix:
            return f"{prefix}{layer}_{suffix}"
    elif layer:
        suffix = _SUFFIXES[layer.split("_")[-1]].get(suffix)
        if suffix:
            return f"{prefix}{layer}/{suffix}"
    raise ValueError(
        f"The key {key!r} is none of a torch ResNet's. Allowed are keys such "
        "as 'layer1.0.conv1.weight', as torchvision and timm have them."
    )


def _from_torch(array):
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim == 2:
        return array.transpose()
    return array
