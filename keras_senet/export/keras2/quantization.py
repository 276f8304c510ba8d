"""Quantisation-aware training: where 8 bits round, and the file of it."""

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras
from folding import fold
from network import build
from training import Request, fit, top1

KERNELS = {
    "Conv2D": "kernel",
    "Dense": "kernel",
    "DepthwiseConv2D": "depthwise_kernel",
}
# What only moves or picks values keeps the scale of its input.
MOVING = (
    "AveragePooling2D",
    "Dropout",
    "Flatten",
    "GlobalMaxPooling2D",
    "MaxPooling2D",
    "Permute",
    "Reshape",
    "ZeroPadding2D",
)
# Those that LiteRT computes together with a ReLU that follows.
FUSED = ("Add", "Conv2D", "Dense", "DepthwiseConv2D")
# Ranges that LiteRT demands of an activation, in 8 bits: 1/256 and 1/128.
FIXED = {
    "linear": None,
    "sigmoid": (0.0, 255 / 256),
    "softmax": (0.0, 255 / 256),
    "tanh": (-1.0, 127 / 128),
}
# The name of the layer that rounds the input.
PIXELS = "pixels"
# Images from which the first ranges are read.
CALIBRATION = 512

quantizers = tfmot.quantization.keras.quantizers


class Refused(ValueError):
    """A network that has no form in 8 bits."""


class Kernel(quantizers.Quantizer):
    """Rounds a kernel to -127…127, of a convolution per output channel."""

    def __init__(self, kind):
        self.kind = kind

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        if self.kind == "Dense":
            # LiteRT's converter refuses a scale per channel here.
            largest = _largest(inputs, None)
            return tf.quantization.fake_quant_with_min_max_vars(
                inputs, -largest, largest, narrow_range=True
            )
        x = inputs
        if self.kind == "DepthwiseConv2D":
            # TensorFlow's operation has the channels on the last axis, and so
            # has LiteRT in this shape.
            height, width, *channels = inputs.shape
            x = tf.reshape(inputs, (1, height, width, np.prod(channels)))
        largest = _largest(x, (0, 1, 2))
        x = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            x, -largest, largest, narrow_range=True
        )
        return tf.reshape(x, inputs.shape)

    def get_config(self):
        return {"kind": self.kind}


def _largest(kernel, axes):
    """The largest weights; of zeros alone a scale is made up."""
    largest = tf.reduce_max(tf.abs(kernel), axes)
    return tf.stop_gradient(tf.maximum(largest, 1e-8))


class Map(quantizers.Quantizer):
    """Rounds a map to 256 steps of a range."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        return tf.quantization.fake_quant_with_min_max_args(
            inputs, self.low, self.high
        )

    def get_config(self):
        return {"low": self.low, "high": self.high}


class Rounding(tfmot.quantization.keras.QuantizeConfig):
    """What is rounded of a layer: its kernel, and its output to a range."""

    def __init__(self, output):
        self.output = output

    def get_weights_and_quantizers(self, layer):
        kind = type(layer).__name__
        if kind not in KERNELS:
            return []
        return [(getattr(layer, KERNELS[kind]), Kernel(kind))]

    def set_quantize_weights(self, layer, quantize_weights):
        for weight in quantize_weights:
            setattr(layer, KERNELS[type(layer).__name__], weight)

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        return [Map(*self.output)] if self.output else []

    def get_config(self):
        return {"output": self.output}


class Rounded(tfmot.quantization.keras.QuantizeWrapperV2):
    """A layer whose values are rounded; a frozen one stays frozen."""

    @property
    def trainable_weights(self):
        return super().trainable_weights if self.layer.trainable else []


def quantize(request: Request) -> bytes:
    """Returns a network trained with rounding as a file of integers.

    Args:
        request: the network, the images and the options.

    Returns:
        The content of a `.tflite` file.

    Raises:
        Refused: if the file would not be of integers alone.
    """
    graph = _with_pixels(request.graph)
    plain, values = build(graph, request.arrays)
    channels = [value.shape[-1] for value in values]
    graph, arrays = fold(graph, request.arrays, channels)
    ranges = _ranges(graph, arrays, request.images)
    model, values = build(
        graph,
        arrays,
        lambda layer, number: Rounded(layer, Rounding(ranges[number])),
    )
    print(f"before  validation top-1 {top1(plain, request):.2%}", flush=True)
    print(f"rounded validation top-1 {top1(model, request):.2%}", flush=True)
    fit(model, values, graph, plain, request)
    np.save(
        request.folder / "outputs.npy",
        model.predict(np.asarray(request.validation_images[:256]), verbose=0),
    )
    return _convert(model, graph["inputs"][0])


def _with_pixels(graph):
    """The network after a layer that rounds nothing but to whole pixels."""
    steps = [
        {**step, "inputs": [index + 1 for index in step["inputs"]]}
        for step in graph["steps"]
    ]
    pixels = {"name": PIXELS, "activation": "linear"}
    first = {"class": "Activation", "config": pixels, "inputs": [0]}
    outputs = [index + 1 for index in graph["outputs"]]
    return {**graph, "steps": [first, *steps], "outputs": outputs}


def _ranges(graph, arrays, images):
    """The range of every step's output; `None` where nothing is rounded."""
    takers = {}
    for step in graph["steps"]:
        for index in step["inputs"]:
            takers.setdefault(index, []).append(step["class"])
    ranges, measured = [], []
    for index, step in enumerate(graph["steps"], start=1):
        kind, config = step["class"], step["config"]
        after = takers.get(index, [])
        fused = kind in FUSED and after == ["ReLU"]
        # What is concatenated is rounded once, to the scale of the whole.
        if kind in MOVING or fused or after == ["Concatenate"]:
            ranges.append(None)
        elif config["name"] == PIXELS:
            ranges.append((0.0, 255.0))
        elif kind == "Activation":
            ranges.append(FIXED[config["activation"]])
        else:
            ranges.append(None)
            measured.append(index)
    found = _measure(graph, arrays, images, measured)
    for index, pair in zip(measured, found, strict=True):
        ranges[index - 1] = pair
    return ranges


def _measure(graph, arrays, images, measured):
    """The ranges of some values of the network that does not round.

    They stay as they are in training, so that what it ends with is what it
    began to make room for.
    """
    model, values = build(graph, arrays)
    probe = tf_keras.Model(model.inputs, [values[index] for index in measured])

    @tf.function
    def extremes(batch):
        maps = tf.nest.flatten(probe(batch, training=False))
        return tf.stack([(tf.reduce_min(x), tf.reduce_max(x)) for x in maps])

    count = min(CALIBRATION, len(images))
    numbers = np.linspace(0, len(images) - 1, count).astype(int)
    found = [
        extremes(images[numbers[start : start + 32]].astype("float32")).numpy()
        for start in range(0, count, 32)
    ]
    for low, high in np.mean(found, 0):
        # Zero has a step of its own. A map that is dead gets a range that
        # XNNPACK takes.
        low, high = min(float(low), 0.0), max(float(high), 0.0)
        yield (low, high) if high - low > 1e-3 else (0.0, 1.0)


def _convert(model, shape):
    from tensorflow.python.framework import convert_to_constants

    signature = tf.TensorSpec((1, *shape), tf.float32)
    # The file's input is called as the argument is.
    traced = tf.function(
        lambda image: model(image, training=False), autograph=False
    ).get_concrete_function(signature)
    frozen = convert_to_constants.convert_variables_to_constants_v2(traced)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    content = converter.convert()
    _check_integers(content)
    return content


def _check_integers(content):
    """Raises an error if a file computes anything in float32."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    floats = [
        tensor.name.decode()
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.type == schema.TensorType.FLOAT32
    ]
    if floats:
        raise Refused(
            f"LiteRT computes {len(floats)} values in float32, such as "
            f"{floats[0]}: its converter found no range in 8 bits for them."
        )
