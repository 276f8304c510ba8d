"""Where in an image a network finds a class (Grad-CAM)."""

import keras
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image


def grad_cam(
    model: keras.Model,
    image: ArrayLike,
    class_index: int | None = None,
    layer: str | None = None,
) -> np.ndarray:
    """Returns how much each place of an image speaks for a class.

    The channels of a feature map are summed, each weighted by the mean gradient
    of the class' score (before the softmax) with respect to it; what speaks
    against the class is cut off.

    Args:
        model: a classifier, functional, whose last layer is dense or an
            activation.
        image: one image as the model takes it, `(height, width, channels)`, or
            `(channels, height, width)` for such a model.
        class_index: number of the output, or `None` for the one with the
            highest score. Defaults to `None`.
        layer: name of the layer whose map is taken, or `None` for the last one
            that gives a map. Defaults to `None`.

    Returns:
        Array of shape `(height, width)` of the image, float32 in [0, 1]: the
        map enlarged (bilinear) and divided by its maximum. All zeros where
        nothing speaks for the class.

    Raises:
        ValueError: if there is no such output, or no such layer with a map; or
            if Keras runs on a backend without gradients.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> grad_cam(model, np.zeros((32, 32, 3)), class_index=3).shape
    (32, 32)

    Reference:
        [Grad-CAM](https://arxiv.org/abs/1610.02391), section 3.
    """
    if keras.backend.backend() not in GRADIENTS:
        raise ValueError(
            f"Keras runs on {keras.backend.backend()}, which has no gradients. "
            f"Allowed: {', '.join(GRADIENTS)}."
        )
    image = np.asarray(image)
    shape = tuple(model.input_shape[1:])
    if len(image.shape) != len(shape) or any(
        side not in (None, given)
        for side, given in zip(shape, image.shape, strict=True)
    ):
        raise ValueError(
            f"`image` has the shape {image.shape}, and {model.name} takes "
            f"{shape}: one image, without a batch."
        )
    outputs = model.output_shape[-1]
    if class_index is not None and not 0 <= class_index < outputs:
        raise ValueError(
            f"`class_index` is {class_index}. Allowed: 0 to {outputs - 1}, "
            f"the outputs of {model.name}, or None."
        )
    maps, score = _map_and_score(model, image, layer)
    if class_index is None:
        scores = keras.ops.convert_to_numpy(score(maps))
        class_index = int(scores[0].argmax())
    gradient = GRADIENTS[keras.backend.backend()](
        lambda x: score(x)[0, class_index], maps
    )
    maps, gradient = (
        keras.ops.convert_to_numpy(keras.ops.cast(x, "float32"))[0]
        for x in (maps, gradient)
    )
    if _is_channels_first(model):
        maps, gradient = (np.moveaxis(x, 0, -1) for x in (maps, gradient))
        image = np.moveaxis(image, 0, -1)
    heat = np.maximum((maps * gradient.mean((0, 1))).sum(-1), 0)
    height, width = image.shape[:2]
    heat = Image.fromarray(heat).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    heat = np.asarray(heat)
    return heat / max(heat.max(), np.finfo("float32").tiny)


def _map_and_score(model, image, name):
    """The map of an image, and the function map -> scores of the classes."""
    chosen, last = _layer_with_map(model, name), model.layers[-1]
    dense = isinstance(last, keras.layers.Dense)
    activation = isinstance(
        last, keras.layers.Activation | keras.layers.Softmax
    )
    end = last.input if dense or activation else last.output
    try:
        after = keras.Model(chosen.output, end)
    except ValueError as error:
        raise ValueError(
            f"The output of {chosen.name} is not all that the layers after it "
            "use, so that they can't be computed from it. Name a layer through "
            "which everything passes, such as the end of a block."
        ) from error

    def score(maps):
        x = after(maps, training=False)
        if not dense:
            return x
        x = keras.ops.matmul(keras.ops.cast(x, last.kernel.dtype), last.kernel)
        return x if last.bias is None else x + last.bias

    before = keras.Model(model.input, chosen.output)
    return before(image[None], training=False), score


def _layer_with_map(model, name):
    found = [x for x in model.layers if len(x.output.shape) == 4]
    if name is None and found:
        return found[-1]
    for layer in found:
        if layer.name == name:
            return layer
    raise ValueError(
        f"{model.name} has no layer {name!r} that gives a feature map. It has "
        f"{', '.join(x.name for x in found[-3:]) or 'none'} among others."
    )


def _is_channels_first(model):
    formats = (getattr(x, "data_format", None) for x in model.layers)
    found = next(filter(None, formats), keras.config.image_data_format())
    return found == "channels_first"


def _tensorflow_gradient(function, x):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x)


def _jax_gradient(function, x):
    import jax

    return jax.grad(function)(x)


def _torch_gradient(function, x):
    import torch

    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x), x)[0]


GRADIENTS = {
    "tensorflow": _tensorflow_gradient,
    "jax": _jax_gradient,
    "torch": _torch_gradient,
}
