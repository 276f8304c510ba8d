"""The HDF5 files of keras.applications, layer by layer."""

import re

import numpy as np

from keras_senet.architectures import inception_resnet
from keras_senet.weights.dialects.arrays import (
    flip_channels,
    fold_biases,
    unknown_key,
)
from keras_senet.weights.dialects.automatic import number_of

# keras/applications/resnet.py.
RESNET_EPSILON = 1.001e-5
MOBILENET = {
    r"conv1": "conv1_conv",
    r"conv1_bn": "conv1_bn",
    r"conv_dw_(\d+)": r"block\1_depthwise_conv",
    r"conv_dw_(\d+)_bn": r"block\1_depthwise_bn",
    r"conv_pw_(\d+)": r"block\1_pointwise_conv",
    r"conv_pw_(\d+)_bn": r"block\1_pointwise_bn",
    r"conv_preds": "predictions",
}


def keras_applications(
    arrays: dict[str, np.ndarray], network
) -> dict[str, np.ndarray]:
    """Translates the weights of a network of keras.applications.

    Args:
        arrays: `layer/variable` -> array, as in the file.
        network: the `Network` it is for.

    Returns:
        `layer/variable` -> array.

    Raises:
        ValueError: for a layer that the network does not have, or if
            keras.applications has no such network.
    """
    if network.family not in FAMILIES:
        raise ValueError(
            f"keras.applications has no {network.title}, or not with weights."
        )
    layer_of, finish = FAMILIES[network.family]
    names = layer_of(arrays, network)
    translated = {}
    for key, array in arrays.items():
        layer, variable = key.split("/")
        if not names.get(layer):
            raise unknown_key(key, network, "keras.applications")
        # Keras 2 calls the kernel of a depthwise convolution by a longer name.
        variable = variable.removeprefix("depthwise_")
        translated[f"{names[layer]}/{variable}"] = array
    finish(translated, network)
    return translated


def _resnet_layers(arrays, network):
    layers = {key.split("/")[0] for key in arrays}
    # The names of this package are those of keras.applications.
    known = r"conv1_(conv|bn)|conv\d_block\d+_\d_(conv|bn)|predictions"
    # Files older than TensorFlow 2.3 call the classifier `probs`.
    return {
        layer: "predictions" if layer == "probs" else layer
        for layer in layers
        if re.fullmatch(known, layer) or layer == "probs"
    }


def _finish_resnet(arrays, network):
    fold_biases(arrays)
    for key in arrays:
        if key.endswith("moving_variance"):
            arrays[key] = arrays[key] + np.float32(
                RESNET_EPSILON - network.epsilon
            )
    # Trained by the authors of ResNet on Caffe's BGR images.
    flip_channels(arrays)


def _mobilenet_layers(arrays, network):
    names = {}
    for layer in {key.split("/")[0] for key in arrays}:
        for pattern, name in MOBILENET.items():
            match = re.fullmatch(pattern, layer)
            if match:
                names[layer] = match.expand(name)
    return names


def _finish_mobilenet(arrays, network):
    if "predictions/kernel" in arrays:
        # A convolution on the pooled map there, a dense layer here.
        arrays["predictions/kernel"] = arrays["predictions/kernel"][0, 0]


def _inception_layers(arrays, network):
    """Its convolutions have automatic names but for the last of a block."""
    named = {"conv_7b": "conv_7b_conv", "conv_7b_bn": "conv_7b_bn"}
    named["predictions"] = "predictions"
    for stage, depth in zip(network.stages, network.depths, strict=True):
        block = inception_resnet.BLOCKS[stage][0]
        for index in range(1, depth + 1):
            named[f"{block}_{index}_conv"] = f"{block}_{index}_up_conv"
    created = list(_inception_order(network))
    layers = {key.split("/")[0] for key in arrays} - named.keys()
    for prefix, suffix in (("conv2d", "conv"), ("batch_normalization", "bn")):
        numbered = sorted(
            (number_of(layer, prefix), layer)
            for layer in layers
            if number_of(layer, prefix) is not None
        )
        if len(numbered) == len(created):
            for (_, layer), name in zip(numbered, created, strict=True):
                named[layer] = f"{name}_{suffix}"
    return named


def _inception_order(network):
    """The automatically named convolutions, in the order of their creation.

    keras/applications/inception_resnet_v2.py: stem, then the columns of every
    module from left to right, its pool's projection last.
    """
    yield from ("conv1_1", "conv1_2", "conv1_3", "conv2_1", "conv2_2")
    for stage, depth in zip(network.stages, network.depths, strict=True):
        name, columns = inception_resnet.MIXED[stage]
        yield from _column_names(name, columns)
        if stage == 1:
            yield f"{name}_pool_proj"
        name, _, columns = inception_resnet.BLOCKS[stage]
        for index in range(1, depth + 1):
            yield from _column_names(f"{name}_{index}", columns)


def _column_names(name, columns):
    for number, column in enumerate(columns):
        for index in range(1, len(column) + 1):
            yield f"{name}_branch{number}_{index}"


def _keep(arrays, network):
    """Nothing is left to do."""


FAMILIES = {
    "resnet": (_resnet_layers, _finish_resnet),
    "mobilenet": (_mobilenet_layers, _finish_mobilenet),
    "inception_resnet": (_inception_layers, _keep),
}
