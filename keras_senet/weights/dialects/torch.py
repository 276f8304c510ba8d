"""State dicts of torch: timm, torchvision, and Cadene's port of Caffe."""

import re

import numpy as np

from keras_senet.weights.dialects.arrays import (
    fold_biases,
    fold_gammas,
    from_oihw,
    unknown_key,
)

# timm/models/resnet.py and torchvision; se_module is timm/models/senet.py,
# Cadene's port; akamaster/pytorch_resnet_cifar10 has the same names.
RESIDUAL_PARTS = {
    **{f"conv{n}": f"{n}_conv" for n in (1, 2, 3)},
    **{f"bn{n}": f"{n}_bn" for n in (1, 2, 3)},
    "downsample.0": "0_conv",
    "downsample.1": "0_bn",
    "se.fc1": "se/reduce",
    "se.fc2": "se/expand",
    "se_module.fc1": "se/reduce",
    "se_module.fc2": "se/expand",
}
HEADS = ("fc", "linear", "last_linear", "classif", "head.fc")
STEMS = {
    "7x7": {"conv1": "conv1_conv", "bn1": "conv1_bn"},
    "3x3": {"conv1": "conv1_conv", "bn1": "conv1_bn"},
    # A sequence of convolutions, normalisations and ReLUs in timm's resnet.py.
    "deep": {
        **{f"conv1.{3 * n}": f"conv1_{n + 1}_conv" for n in range(3)},
        **{f"conv1.{3 * n + 1}": f"conv1_{n + 1}_bn" for n in range(2)},
        "bn1": "conv1_3_bn",
    },
}
CADENE_STEMS = {
    "7x7": STEMS["7x7"],
    "deep": {
        **{f"conv{n}": f"conv1_{n}_conv" for n in (1, 2, 3)},
        **{f"bn{n}": f"conv1_{n}_bn" for n in (1, 2, 3)},
    },
}
# timm/models/inception_resnet_v2.py.
INCEPTION_PARTS = {
    "conv2d_1a": "conv1_1",
    "conv2d_2a": "conv1_2",
    "conv2d_2b": "conv1_3",
    "conv2d_3b": "conv2_1",
    "conv2d_4a": "conv2_2",
    "conv2d_7b": "conv_7b",
    "mixed_5b.branch3.1": "mixed_5b_pool_proj",
}
REPEATS = {"repeat": "block35", "repeat_1": "block17", "repeat_2": "block8"}


def torch(arrays: dict[str, np.ndarray], network) -> dict[str, np.ndarray]:
    """Translates the state dict of a torch network.

    Args:
        arrays: key -> array.
        network: the `Network` it is for.

    Returns:
        `layer/variable` -> array in the layout of Keras.

    Raises:
        ValueError: for a key that the network does not have, or if there is no
            network of its family in torch's libraries.
    """
    layer_of = FAMILIES.get(network.family)
    if layer_of is None:
        raise ValueError(
            f"There is no {network.title} in torch's libraries whose names "
            "are known here."
        )
    translated = {}
    for key, array in arrays.items():
        module, _, suffix = key.rpartition(".")
        if suffix == "num_batches_tracked":
            # A counter that only torch's training uses.
            continue
        layer = "predictions" if module in HEADS else layer_of(module, network)
        variable = _variable(layer, suffix) if layer else None
        if variable is None:
            raise unknown_key(key, network, "torch")
        if variable in translated:
            raise ValueError(f"It has two arrays for {variable}, one is {key}.")
        array = np.asarray(array)
        if layer in ("fc1", "fc2") and array.ndim == 4:
            # timm has them as convolutions. Keras flattens rows, columns,
            # channels.
            array = array.transpose(2, 3, 1, 0).reshape(-1, array.shape[0])
            translated[variable] = array
        else:
            translated[variable] = from_oihw(array)
    fold_biases(translated)
    if network.family == "inception_resnet":
        # Keras' Inception-ResNet-v2 has no gammas.
        fold_gammas(translated)
    return translated


def _variable(layer, suffix):
    if "se/" in layer:
        known = {"weight": "kernel", "bias": "bias"}
        return f"{layer}_{known[suffix]}" if suffix in known else None
    if layer.endswith("_bn"):
        known = {
            "weight": "gamma",
            "bias": "beta",
            "running_mean": "moving_mean",
            "running_var": "moving_variance",
        }
    else:
        known = {"weight": "kernel", "bias": "bias"}
    return f"{layer}/{known[suffix]}" if suffix in known else None


def _residual(module, network):
    block = re.fullmatch(r"layer(\d+)\.(\d+)\.(.+)", module)
    if block:
        stage, index, part = block.groups()
        if part not in RESIDUAL_PARTS:
            return None
        # conv1 is the stem: torch's layer1 is Keras' conv2.
        return (
            f"conv{int(stage) + 1}_block{int(index) + 1}_{RESIDUAL_PARTS[part]}"
        )
    if module.startswith("layer0."):
        stem = CADENE_STEMS.get(network.stem, {})
        return stem.get(module.removeprefix("layer0."))
    return STEMS[network.stem].get(module)


def _inception_resnet(module, network):
    module, _, kind = module.rpartition(".")
    if kind == "conv2d":
        block = _inception_block(module, network)
        return f"{block}_up_conv" if block else None
    if kind not in ("conv", "bn"):
        return None
    part = INCEPTION_PARTS.get(module)
    if part is None:
        branch = re.fullmatch(r"(.+)\.branch(\d)(?:\.(\d))?", module)
        if not branch:
            return None
        block, number, index = branch.groups()
        block = _inception_block(block, network)
        if not block:
            return None
        part = f"{block}_branch{number}_{int(index or 0) + 1}"
    return f"{part}_{kind}"


def _inception_block(module, network):
    if module.startswith("mixed_"):
        return module
    if module == "block8":
        # The last of them, which stands alone since it has no ReLU.
        return f"block8_{network.depths[-1]}"
    repeat, _, index = module.partition(".")
    if repeat not in REPEATS or not index.isdigit():
        return None
    return f"{REPEATS[repeat]}_{int(index) + 1}"


def _vgg(module, network):
    if module in ("pre_logits.fc1", "pre_logits.fc2"):
        return module.removeprefix("pre_logits.")
    number = 0
    for stage, depth in zip(network.stages, network.depths, strict=True):
        for index in range(1, depth + 1):
            # Convolution, normalisation, ReLU; a pool after every stage.
            if module == f"features.{number}":
                return f"block{stage}_{index}_conv"
            if module == f"features.{number + 1}":
                return f"block{stage}_{index}_bn"
            number += 3
        number += 1
    return None


FAMILIES = {
    "resnet": _residual,
    "inception_resnet": _inception_resnet,
    "vgg": _vgg,
}
