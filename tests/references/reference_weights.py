"""Deterministic stand-in weights for the peer references in this folder.

A reference `NAME.npz` holds, for one network as timm 1.0.31 defines it, the
state-dict keys and shapes and the logits that timm computes in float32. The
weights themselves are not stored: `state_dict(NAME)` makes them again, bit for
bit, from the keys, so that any converter can be checked against timm with
neither torch nor a download.
"""

import json
import zlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


def tensor(network, key, shape):
    """The float32 array of `shape` that stands for `key` of `network`."""
    rng = np.random.default_rng(zlib.crc32(f"{network}/{key}".encode()))
    if key.endswith("num_batches_tracked"):
        return np.zeros((), np.int64)
    if key.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if key.endswith("running_mean") or key.endswith("bias"):
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    if len(shape) == 1:
        return rng.uniform(0.4, 0.8, shape).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    return (np.sqrt(2.0 / fan_in) * rng.standard_normal(shape)).astype(
        np.float32
    )


def state_dict(network):
    """Key -> array, in the layout of torch (conv kernels are OIHW)."""
    shapes = json.loads(str(np.load(FOLDER / f"{network}.npz")["shapes"]))
    return {
        key: tensor(network, key, tuple(shape)) for key, shape in shapes.items()
    }


def images(network, size):
    """Two float32 images (2, size, size, 3) in [-2, 2], channels last."""
    rng = np.random.default_rng(zlib.crc32(f"{network}/images/{size}".encode()))
    return rng.uniform(-2.0, 2.0, (2, size, size, 3)).astype(np.float32)


def keras_tensor(network, key, shape):
    """As `tensor`, for a variable of Keras 2 (kernels are HWIO)."""
    rng = np.random.default_rng(zlib.crc32(f"{network}/{key}".encode()))
    variable = key.split("/")[-1].split(":")[0]
    if variable == "moving_variance":
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if variable == "gamma":
        return rng.uniform(0.4, 0.8, shape).astype(np.float32)
    if len(shape) == 1:
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    fan_in = int(np.prod(shape[:-1]))
    return (np.sqrt(2.0 / fan_in) * rng.standard_normal(shape)).astype(
        np.float32
    )
