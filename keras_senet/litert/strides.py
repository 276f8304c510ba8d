"""Strided pools of single pixels, in a form that XNNPACK runs."""

import numpy as np

from keras_senet.litert.flatbuffer import add_buffer, packed

# Since which version of the operator it has a scale per channel.
VERSION = 3


def without_strided_pools(content: bytes) -> bytes:
    """Returns a LiteRT file in which no pool takes every second pixel alone.

    XNNPACK has no pool of 1x1 with a stride (xnnpack_delegate.cc), as of
    shortcuts that pad channels with zeros, and each of these cuts the network
    in two. A depthwise convolution of ones gives the same values: of 8 bits
    too, since its weights have the scale 1.

    Args:
        content: a LiteRT file.

    Returns:
        The file, or the same one if it has no such pool.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    found = [
        (graph, operator)
        for graph in model.subgraphs
        for operator in graph.operators
        if _is_strided_pool(operator.builtinOptions)
        and model.operatorCodes[operator.opcodeIndex].builtinCode
        == schema.BuiltinOperator.AVERAGE_POOL_2D
    ]
    if not found:
        return content
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.DEPTHWISE_CONV_2D
    code.deprecatedBuiltinCode, code.version = code.builtinCode, VERSION
    model.operatorCodes.append(code)
    for graph, operator in found:
        pool, [image] = operator.builtinOptions, operator.inputs
        options = schema.DepthwiseConv2DOptionsT()
        options.padding = pool.padding
        options.strideH, options.strideW = pool.strideH, pool.strideW
        options.depthMultiplier = 1
        options.fusedActivationFunction = pool.fusedActivationFunction
        operator.builtinOptions = options
        operator.builtinOptionsType = (
            schema.BuiltinOptions.DepthwiseConv2DOptions
        )
        operator.opcodeIndex = len(model.operatorCodes) - 1
        weights = _ones_and_zeros(model, graph, graph.tensors[image])
        operator.inputs = [image, *weights]
    return packed(model)


def _is_strided_pool(options):
    sides = ("filterWidth", "filterHeight", "strideW", "strideH")
    if not all(hasattr(options, side) for side in sides):
        return False
    width, height, *strides = (getattr(options, side) for side in sides)
    return width == height == 1 and max(strides) > 1


def _ones_and_zeros(model, graph, image):
    """Adds a kernel of ones, and a bias of zeros; returns their numbers."""
    from tensorflow.lite.python import schema_py_generated as schema

    channels = int(image.shape[-1])
    eight = image.type == schema.TensorType.INT8
    # That of the bias is the product of those of the image and the kernel.
    scales = image.quantization.scale if eight else [1.0]
    kernel = np.ones((1, 1, 1, channels), "int8" if eight else "float32")
    bias = np.zeros(channels, "int32" if eight else "float32")
    places = []
    for name, array, scale, axis in (
        ("ones", kernel, 1.0, 3),
        ("zeros", bias, float(scales[0]), 0),
    ):
        tensor = schema.TensorT()
        tensor.name = f"{image.name.decode()}/{name}"
        tensor.shape = list(array.shape)
        tensor.type = getattr(schema.TensorType, array.dtype.name.upper())
        tensor.buffer = add_buffer(model, array.ravel().view("uint8"))
        if eight:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = [scale] * channels
            tensor.quantization.zeroPoint = [0] * channels
            tensor.quantization.quantizedDimension = axis
        graph.tensors.append(tensor)
        places.append(len(graph.tensors) - 1)
    return places
