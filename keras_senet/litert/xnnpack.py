"""Forms of operators that XNNPACK runs, and runs fast."""

import copy

import numpy as np

from keras_senet.litert.flatbuffer import add_buffer, packed

# Since which version of the operator it has a scale per channel.
VERSION = 3
# Channels from which on a vector of XNNPACK is full.
ROW = 16


def for_xnnpack(content: bytes) -> bytes:
    """Returns a LiteRT file that XNNPACK runs faster, in fewer parts.

    It lacks some forms of operators (xnnpack_delegate.cc), each of which cuts
    the network in two. A depthwise convolution of ones gives the same values as

    - an average pool of 1x1 with a stride, as of shortcuts that pad channels
      with zeros: bit by bit, since its weights have the scale 1;
    - in 8 bits an average pool of more pixels, all within the map;
    - in 8 bits a ReLU by itself, as after a concatenation.

    A depthwise convolution of float32 with a kernel in 8 bits gets the values
    of its kernel in float32.

    Constants of the channels of an image, as its normalisation adds and
    multiplies, are repeated for a whole row.

    Args:
        content: a LiteRT file.

    Returns:
        The file, or the same one if it has nothing of these.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    changed = False
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            for rewrite in (_make_float, _make_depthwise, _repeat_constant):
                changed |= rewrite(model, graph, operator, code)
    return packed(model) if changed else content


def _is_float(tensor):
    from tensorflow.lite.python import schema_py_generated as schema

    return tensor.type == schema.TensorType.FLOAT32


def _is_eight_bits(tensor):
    from tensorflow.lite.python import schema_py_generated as schema

    return tensor.type == schema.TensorType.INT8


def _values(model, tensor):
    """The values of a constant as they are kept, `None` of what is none."""
    from tensorflow.lite.python import schema_py_generated as schema

    data = model.buffers[tensor.buffer].data
    kinds = {
        schema.TensorType.INT8: "int8",
        schema.TensorType.FLOAT16: "float16",
        schema.TensorType.FLOAT32: "float32",
    }
    if data is None or not len(data) or tensor.type not in kinds:
        return None
    array = np.asarray(data, "uint8").view(kinds[tensor.type])
    return array.reshape(tensor.shape)


def _make_float(model, graph, operator, code):
    """Gives a kernel in 8 bits the float32 values that it stands for."""
    from tensorflow.lite.python import schema_py_generated as schema

    if code != schema.BuiltinOperator.DEPTHWISE_CONV_2D:
        return False
    image, kernel = (graph.tensors[place] for place in operator.inputs[:2])
    if not (_is_float(image) and _is_eight_bits(kernel)):
        return False
    scale = np.asarray(kernel.quantization.scale, "float32")
    values = _values(model, kernel) * scale
    kernel.type, kernel.quantization = schema.TensorType.FLOAT32, None
    old = kernel.buffer
    kernel.buffer = add_buffer(model, values.ravel().view("uint8"))
    # Equal bytes of two kernels are one buffer.
    if not any(t.buffer == old for g in model.subgraphs for t in g.tensors):
        model.buffers[old].data = None
    return True


def _repeat_constant(model, graph, operator, code):
    """Repeats constants of a few channels for all pixels of a row.

    XNNPACK computes as many values at once as both sides have in a row: three
    of an image, with which the normalisation is a sixth of SE-MobileNet in 8
    bits, or as many as the row has.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    kinds = schema.BuiltinOperator
    if code not in (kinds.ADD, kinds.SUB, kinds.MUL):
        return False
    [given] = operator.outputs
    shape = graph.tensors[given].shape
    if len(shape) != 4 or shape[2] == 1 or not 1 < shape[3] < ROW:
        return False
    places = list(operator.inputs)
    for number, place in enumerate(places):
        tensor = graph.tensors[place]
        values = _values(model, tensor)
        if values is None or not values.size == shape[3] == values.shape[-1]:
            continue
        row = np.tile(values.reshape(1, 1, 1, -1), (1, 1, shape[2], 1))
        # Another operation may have the same constant.
        made = copy.copy(tensor)
        made.name, made.shape = tensor.name + b"/row", list(row.shape)
        made.shapeSignature = None
        made.buffer = add_buffer(model, row.ravel().view("uint8"))
        graph.tensors.append(made)
        operator.inputs = places
        places[number] = len(graph.tensors) - 1
    return operator.inputs is places


def _make_depthwise(model, graph, operator, code):
    """Makes an operator a depthwise convolution that averages pixels."""
    from tensorflow.lite.python import schema_py_generated as schema

    image = graph.tensors[operator.inputs[0]]
    found = _as_depthwise(code, operator, image)
    if found is None:
        return False
    options, size = found
    operator.opcodeIndex = _code(model)
    operator.builtinOptions = options
    operator.builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
    weights = _ones_and_zeros(model, graph, image, size)
    operator.inputs = [*operator.inputs, *weights]
    return True


def _as_depthwise(code, operator, image):
    """The convolution that gives an operator's values: options and size.

    `None` where there is none, or XNNPACK has the operator.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    if len(image.shape) != 4:
        return None
    options = schema.DepthwiseConv2DOptionsT()
    options.depthMultiplier = options.strideW = options.strideH = 1
    options.padding = schema.Padding.VALID
    eight = _is_eight_bits(image)
    if code == schema.BuiltinOperator.RELU and eight:
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        return options, (1, 1)
    if code != schema.BuiltinOperator.AVERAGE_POOL_2D:
        return None
    pool = operator.builtinOptions
    size = pool.filterHeight, pool.filterWidth
    if size == (1, 1):
        if max(pool.strideH, pool.strideW) == 1:
            return None
    # At the edges of the map a pool that goes beyond has fewer pixels.
    elif not eight or pool.padding != schema.Padding.VALID:
        return None
    options.padding = pool.padding
    options.strideH, options.strideW = pool.strideH, pool.strideW
    options.fusedActivationFunction = pool.fusedActivationFunction
    return options, size


def _code(model):
    """The number of the operator, which is added where it is missing."""
    from tensorflow.lite.python import schema_py_generated as schema

    wanted = schema.BuiltinOperator.DEPTHWISE_CONV_2D
    for number, code in enumerate(model.operatorCodes):
        if code.builtinCode == wanted and code.version >= VERSION:
            return number
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = wanted
    code.version = VERSION
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _ones_and_zeros(model, graph, image, size):
    """Adds a kernel of ones, and a bias of zeros; returns their numbers."""
    from tensorflow.lite.python import schema_py_generated as schema

    channels = int(image.shape[-1])
    eight = _is_eight_bits(image)
    share = 1 / (size[0] * size[1])
    # That of the bias is the product of those of the image and the kernel.
    scales = image.quantization.scale if eight else [1.0]
    kernel = np.ones((1, *size, channels), "int8" if eight else "float32")
    bias = np.zeros(channels, "int32" if eight else "float32")
    places = []
    for name, array, scale, axis in (
        ("ones", kernel, share, 3),
        ("zeros", bias, share * float(scales[0]), 0),
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
