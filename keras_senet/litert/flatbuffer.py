"""LiteRT's flatbuffers, changed and written again."""

import numpy as np


def add_buffer(model, data: np.ndarray) -> int:
    """Adds data to a model.

    Args:
        model: a `ModelT` of TensorFlow's schema; it is changed.
        data: array of uint8.

    Returns:
        The number of the buffer that has them.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = data
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def packed(model) -> bytes:
    """Returns the flatbuffer of a model.

    Args:
        model: a `ModelT` of TensorFlow's schema.

    Returns:
        The content of a `.tflite` file.
    """
    import flatbuffers

    model.buffers = [_aligned(one) for one in model.buffers]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _aligned(buffer):
    """A buffer of a model, aligned as the schema wants it (`force_align: 16`).

    The generated Python code forgets that, and XNNPACK reads weights where they
    lie.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    class Aligned(schema.BufferT):
        def Pack(self, builder):
            if self.data is None or not len(self.data):
                return super().Pack(builder)
            builder.StartVector(1, len(self.data), 16)
            builder.head -= len(self.data)
            where = slice(builder.head, builder.head + len(self.data))
            builder.Bytes[where] = np.asarray(self.data, "uint8").tobytes()
            data = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, data)
            return schema.BufferEnd(builder)

    made = Aligned()
    made.data = buffer.data
    return made
