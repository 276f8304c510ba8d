"""The authors' Caffe models, by the names in their prototxts."""

import re
from importlib import resources

import numpy as np

from keras_senet.weights.dialects.arrays import (
    flip_channels,
    from_oihw,
    unknown_key,
)

RESIDUAL_PARTS = {
    "1x1_reduce": "1",
    "3x3": "2",
    "1x1_increase": "3",
    "1x1_proj": "0",
}
OUTSIDE = {
    "conv1/7x7_s2": "conv1",
    "conv1_1/3x3_s2": "conv1_1",
    "conv1_2/3x3": "conv1_2",
    "conv1_3/3x3": "conv1_3",
    "conv2/3x3_reduce": "conv2_reduce",
    "conv2/3x3": "conv2",
}
EXCITATION = {"1x1_down": "se/reduce", "1x1_up": "se/expand"}


def caffe(arrays: dict[str, np.ndarray], network) -> dict[str, np.ndarray]:
    """Translates the blobs of one of the authors' Caffe models.

    Their networks take BGR images and number the classes as the devkit of
    ILSVRC 2017 does; the result takes RGB and numbers them as everyone else.

    Args:
        arrays: `layer:number` -> array, the blobs of every layer.
        network: the `Network` it is for.

    Returns:
        `layer/variable` -> array in the layout of Keras.

    Raises:
        ValueError: for a layer that the network does not have.
    """
    translated = {}
    for key, array in arrays.items():
        name, _, number = key.rpartition(":")
        base = name.removesuffix("/scale").removesuffix("/bn")
        layer = _layer(base)
        variables = None
        if layer and base != name:
            # Scale holds gamma and beta, BatchNorm sums of mean and variance
            # and what to divide them by.
            variables = {"0": "gamma", "1": "beta"}
            if name.endswith("/bn"):
                variables = {"0": "moving_mean", "1": "moving_variance"}
                variables["2"] = "factor"
            layer, array = f"{layer}_bn", array.reshape(-1)
        elif layer:
            variables = {"0": "kernel", "1": "bias"}
            if layer == "predictions":
                # An inner product may be saved with ones before its shape.
                array = array.reshape(
                    array.shape[-2:] if number == "0" else (-1,)
                )
            elif number == "1":
                array = array.reshape(-1)
            if "se/" not in layer and layer != "predictions":
                layer = f"{layer}_conv"
        if not variables or number not in variables:
            raise unknown_key(key, network, "Caffe")
        separator = "_" if "se/" in layer else "/"
        translated[f"{layer}{separator}{variables[number]}"] = from_oihw(array)
    for key in [key for key in translated if key.endswith("/factor")]:
        factor = translated.pop(key).item()
        for variable in ("moving_mean", "moving_variance"):
            variable = key.replace("factor", variable)
            # 0 means that there are no statistics (batch_norm_layer.cpp).
            translated[variable] = translated[variable] * (
                1 / factor if factor else 0
            )
    flip_channels(translated)
    order = standard_order()
    for key in ("predictions/kernel", "predictions/bias"):
        if key in translated and translated[key].shape[-1] == len(order):
            translated[key] = translated[key][..., order]
    return translated


def _layer(name):
    """The layer without its kind, or with it for SE and the classifier."""
    if name == "classifier":
        return "predictions"
    if name in OUTSIDE:
        return OUTSIDE[name]
    residual = re.fullmatch(r"conv(\d)_(\d+)_(\w+)", name)
    if residual:
        stage, index, part = residual.groups()
        part = EXCITATION.get(part) or RESIDUAL_PARTS.get(part)
        return part and f"conv{stage}_block{index}_{part}"
    inception = re.fullmatch(r"(inception_\d\w)_(1x1_down|1x1_up)", name)
    if inception:
        return f"{inception.group(1)}_{EXCITATION[inception.group(2)]}"
    module = re.fullmatch(r"(inception_\d\w)/(\w+)", name)
    return module and f"{module.group(1)}_{module.group(2)}"


def standard_order() -> np.ndarray:
    """Returns where each class stands in the outputs of the Caffe models.

    Returns:
        Array of 1000 integers: the output of the class that is number k in
        the usual order of ImageNet, that of the WordNet ids.
    """
    folder = resources.files("keras_senet").joinpath("labels")
    caffe_ids = (
        folder.joinpath("ilsvrc2017_class_order.txt").read_text().split()
    )
    position = {wordnet_id: k for k, wordnet_id in enumerate(caffe_ids)}
    return np.array([position[wordnet_id] for wordnet_id in sorted(caffe_ids)])
