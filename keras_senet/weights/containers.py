"""The files that other projects keep weights in, read as named arrays.

Nothing here unpickles: a pickle runs code when it is opened. A header that
claims more than its file holds is refused before anything is allocated for it.
"""

import os
from pathlib import Path

import h5py
import numpy as np


def read_arrays(path) -> dict[str, np.ndarray]:
    """Reads a file of weights whatever network it belongs to.

    Args:
        path: a `.safetensors`, `.h5` or `.caffemodel` file.

    Returns:
        Name -> array: the key of a safetensors file, `layer/variable` of an
        HDF5 file of Keras 2, `layer:number` of the blobs of a Caffe model.

    Raises:
        ValueError: if there is no such file, it is damaged or of another kind.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f"`path` is {path!r}. Allowed: the path of a file.")
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"The weights file {str(path)!r} does not exist. Give the path of "
            f"a file that ends in {', '.join(READERS)}."
        )
    reader = READERS.get(path.suffix)
    if reader is None:
        raise ValueError(
            f"The weights file {str(path)!r} is none that is read here. "
            f"Allowed: files that end in {', '.join(READERS)}. Pickles (.pth, "
            ".pt, .bin, .pkl) run code when they are opened: load yours where "
            "you trust it and save its state dict with "
            "`safetensors.torch.save_file`."
        )
    try:
        return reader(path)
    except (
        AttributeError,
        IndexError,
        KeyError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            f"The weights file {str(path)!r} is damaged, or no "
            f"{path.suffix} file: {error}. Nothing was loaded."
        ) from error


def _safetensors(path):
    from safetensors import SafetensorError, safe_open

    try:
        # It maps the file, and compares its header with its size.
        with safe_open(path, framework="numpy") as file:
            keys = file.keys()
            return {key: file.get_tensor(key) for key in keys}
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _keras_h5(path):
    """`save_weights` of Keras 2: a group a layer, datasets inside."""
    arrays = {}
    with h5py.File(path, "r") as file:
        # A whole model has its weights in a group of this name.
        root = dict(_children(file)).get("model_weights", file)
        left = path.stat().st_size
        for layer, group in _children(root):
            for name, dataset in _datasets(group):
                left -= dataset.nbytes
                if left < 0:
                    raise ValueError(
                        f"{layer} claims more bytes than the file has"
                    )
                variable = name.split("/")[-1].split(":")[0]
                key = f"{layer}/{variable}"
                if key in arrays:
                    raise ValueError(f"it has {key} twice")
                arrays[key] = dataset[()]
    return arrays


def _children(group):
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link to something else")
        yield name, group[name]


def _datasets(group, prefix=""):
    if isinstance(group, h5py.Dataset):
        raise ValueError(f"{group.name} is an array, not a layer")
    for name, item in _children(group):
        if isinstance(item, h5py.Group):
            yield from _datasets(item, f"{prefix}{name}/")
        elif item.external or item.is_virtual:
            raise ValueError(f"{item.name} lies in another file")
        else:
            yield f"{prefix}{name}", item


def _caffemodel(path):
    """Caffe's NetParameter, as far as its blobs go (caffe.proto)."""
    from google.protobuf.message import DecodeError

    message = _net_parameter()()
    try:
        message.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(str(error)) from error
    if not message.layer:
        raise ValueError("it has no layers of the form that caffe.proto names")
    arrays = {}
    for layer in message.layer:
        if len(layer.blobs) > 8:
            raise ValueError(f"{layer.name} has {len(layer.blobs)} blobs")
        for number, blob in enumerate(layer.blobs):
            data = np.frombuffer(b"".join(blob.data), "<f4")
            shape = blob.shape.dim or (
                blob.num,
                blob.channels,
                blob.height,
                blob.width,
            )
            key = f"{layer.name}:{number}"
            if key in arrays or min(shape, default=0) < 0:
                raise ValueError(f"it has {key} twice, or in a shape below 0")
            arrays[key] = data.reshape(tuple(shape))
    return arrays


def _net_parameter():
    """The message class, without protoc.

    `data` is declared as bytes: packed floats are the same on the wire, and
    numpy reads them in one piece.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    messages = {
        "BlobShape": [("dim", 1, field.TYPE_INT64, True)],
        "BlobProto": [
            ("num", 1, field.TYPE_INT32, False),
            ("channels", 2, field.TYPE_INT32, False),
            ("height", 3, field.TYPE_INT32, False),
            ("width", 4, field.TYPE_INT32, False),
            ("data", 5, field.TYPE_BYTES, True),
            ("shape", 7, "BlobShape", False),
        ],
        "LayerParameter": [
            ("name", 1, field.TYPE_STRING, False),
            ("blobs", 7, "BlobProto", True),
        ],
        "NetParameter": [("layer", 100, "LayerParameter", True)],
    }
    file = descriptor_pb2.FileDescriptorProto(
        name="keras_senet/caffe.proto", package="keras_senet.caffe"
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for key, number, kind, repeated in fields:
            added = message.field.add(
                name=key,
                number=number,
                label=field.LABEL_REPEATED
                if repeated
                else field.LABEL_OPTIONAL,
            )
            if isinstance(kind, str):
                added.type = field.TYPE_MESSAGE
                added.type_name = f".keras_senet.caffe.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("keras_senet.caffe.NetParameter")
    )


READERS = {
    ".safetensors": _safetensors,
    ".h5": _keras_h5,
    ".caffemodel": _caffemodel,
}
