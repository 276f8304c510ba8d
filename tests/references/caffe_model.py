"""Writes `.caffemodel` files with the message types of caffe.proto."""

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

FIELD = descriptor_pb2.FieldDescriptorProto
MESSAGES = {
    "BlobShape": [("dim", 1, FIELD.TYPE_INT64, True)],
    "BlobProto": [
        ("num", 1, FIELD.TYPE_INT32, False),
        ("channels", 2, FIELD.TYPE_INT32, False),
        ("height", 3, FIELD.TYPE_INT32, False),
        ("width", 4, FIELD.TYPE_INT32, False),
        ("data", 5, FIELD.TYPE_FLOAT, True),
        ("diff", 6, FIELD.TYPE_FLOAT, True),
        ("shape", 7, "BlobShape", False),
    ],
    "LayerParameter": [
        ("name", 1, FIELD.TYPE_STRING, False),
        ("type", 2, FIELD.TYPE_STRING, False),
        ("bottom", 3, FIELD.TYPE_STRING, True),
        ("top", 4, FIELD.TYPE_STRING, True),
        ("blobs", 7, "BlobProto", True),
    ],
    "NetParameter": [
        ("name", 1, FIELD.TYPE_STRING, False),
        ("layer", 100, "LayerParameter", True),
    ],
}


def write(path, layers):
    """Writes layers: (name, type, list of arrays) each."""
    net = _classes()(name="test")
    for name, kind, arrays in layers:
        layer = net.layer.add(name=name, type=kind, bottom=["x"], top=["x"])
        for array in arrays:
            blob = layer.blobs.add()
            blob.shape.dim.extend(array.shape)
            blob.data.extend(array.ravel().tolist())
    path.write_bytes(net.SerializeToString())


def _classes():
    file = descriptor_pb2.FileDescriptorProto(
        name="caffe.proto", package="caffe"
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for key, number, kind, repeated in fields:
            field = message.field.add(name=key, number=number)
            field.label = (
                FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL
            )
            if isinstance(kind, str):
                field.type = FIELD.TYPE_MESSAGE
                field.type_name = f".caffe.{kind}"
            else:
                field.type = kind
                # Proto 2 packs only what says so.
                field.options.packed = repeated and kind != FIELD.TYPE_STRING
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("caffe.NetParameter")
    )
