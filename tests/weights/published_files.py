"""Files laid out as the published ones, for a mirror on loopback."""

import hashlib
import json
from dataclasses import replace

import h5py
import keras
import numpy as np
from references import caffe_model, reference_weights
from safetensors.numpy import save_file

from keras_senet.weights import sources


def write_h5(path, rows):
    """Writes layers: (name, list of (variable, array)), as Keras 2 does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.2.4"
        # A header of more than 64 KiB is cut into pieces by Keras; the names
        # of the layers stand in it in the order of the graph.
        for number, start in enumerate(range(0, len(rows), 300)):
            part = [name.encode() for name, _ in rows[start : start + 300]]
            file.attrs[f"layer_names{number}"] = part
        if len(rows) <= 300:
            file.attrs["layer_names"] = [name.encode() for name, _ in rows]
        for name, variables in rows:
            group = file.create_group(name)
            group.attrs["weight_names"] = [key.encode() for key, _ in variables]
            for key, array in variables:
                group.create_dataset(key, data=array)


def classification_models(reference):
    """The layers of a file of classification_models, with stand-in weights."""
    data = np.load(
        reference_weights.FOLDER / f"classification_models_{reference}.npz"
    )
    return [
        (
            layer,
            [
                (key, reference_weights.keras_tensor(reference, key, shape))
                for key, shape in variables
            ],
        )
        for layer, variables in json.loads(str(data["layout"]))
    ]


def applications(name, size):
    """A network of keras.applications with weights unlike any initial ones."""
    constructor = getattr(keras.applications, name)
    model = constructor(
        weights=None, input_shape=(size, size, 3), classifier_activation=None
    )
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if variable.name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, variable.shape)
        elif len(variable.shape) == 1:
            value = 0.1 * rng.standard_normal(variable.shape)
        else:
            fan_in = np.prod(variable.shape[:-1])
            if "_dw_" in variable.path:
                fan_in = np.prod(variable.shape[:2])
            value = rng.standard_normal(variable.shape) * np.sqrt(2 / fan_in)
        variable.assign(value)
    return model


def keras2_layers(model):
    """The layers of a model as `save_weights` of Keras 2 has them."""
    rows = []
    for layer in model.layers:
        variables = []
        for variable in layer.weights:
            key = variable.name
            if isinstance(layer, keras.layers.DepthwiseConv2D):
                key = "depthwise_kernel"
            value = keras.ops.convert_to_numpy(variable)
            variables.append((f"{layer.name}/{key}:0", value))
        if variables:
            rows.append((layer.name, variables))
    return rows


def write_safetensors(path, reference):
    """Writes the stand-in weights of one of timm's networks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(reference_weights.state_dict(reference), path)


def caffe_layers(state, factor=1.0):
    """Layers with blobs, from keys such as `conv1/7x7_s2/bn.running_mean`."""
    layers = {}
    for key, array in state.items():
        name, _, suffix = key.rpartition(".")
        layers.setdefault(name, {})[suffix] = array
    for name, blobs in layers.items():
        if name.endswith("/bn"):
            mean, variance = blobs["running_mean"], blobs["running_var"]
            # Caffe keeps sums, and what to divide them by.
            blobs = [mean * factor, variance * factor, np.float32([factor])]
            yield name, "BatchNorm", blobs
        else:
            yield name, "Convolution", list(blobs.values())


def write_caffe(path, reference):
    """Writes the stand-in weights of the authors' SE-BN-Inception."""
    layers = caffe_layers(reference_weights.state_dict(reference))
    caffe_model.write(path, layers)


def publish(monkeypatch, folder):
    """Makes the table expect the files of a folder.

    The hashes of the real files are not those of stand-ins.
    """

    def own(remote):
        path = folder / remote.file if remote else None
        if not path or not path.exists() or not remote.digest:
            return remote
        digest = hashlib.new(remote.algorithm, path.read_bytes()).hexdigest()
        size = path.stat().st_size if remote.size else None
        return replace(remote, digest=digest, size=size)

    rows = tuple(
        row
        if row.tag == "cifar10"
        else replace(
            row,
            file=own(row.file),
            file_without_top=own(row.file_without_top),
        )
        for row in sources.SOURCES
    )
    monkeypatch.setattr(sources, "SOURCES", rows)
    sources._backbone.cache_clear()
