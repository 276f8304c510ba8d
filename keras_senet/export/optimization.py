"""Networks trained to be smaller: 8 bits, pruned kernels, shared weights.

tensorflow-model-optimization does it, on the network's form in Keras 2 and in a
process of its own.
"""

import copy
import logging
from functools import partial
from numbers import Real
from pathlib import Path

import keras
import numpy as np

from keras_senet.architectures.card import Card, DescribedModel
from keras_senet.checks import integer
from keras_senet.cloning import clone, copy_layer, copy_state, functional
from keras_senet.export import keras2_process
from keras_senet.export.files import check_path, write
from keras_senet.export.images import check_pixels
from keras_senet.export.legacy import restore, translate
from keras_senet.export.pixels import check_channels, taking_pixels
from keras_senet.export.report import Report, measure, outputs_of
from keras_senet.export.tflite import export_tflite, find_labels
from keras_senet.litert.metadata import add_metadata
from keras_senet.litert.xnnpack import for_xnnpack

logger = logging.getLogger("keras_senet")

# Activations that LiteRT computes in 8 bits, beside ReLU and its parts.
INTEGER = ("linear", "sigmoid", "softmax", "tanh")
# Images on which a file is compared with its model.
SHOWN = 256


def quantization_aware(
    model: DescribedModel,
    data,
    path: str | Path,
    epochs: int = 3,
    batch_size: int = 64,
    learning_rate: float = 1e-4,
    images: int = 50_000,
    seed: int = 0,
) -> Report:
    """Trains a network that rounds to 8 bits, and writes it as a LiteRT file.

    Batch normalisation is folded into the convolutions first, kernels are
    rounded per channel, and activations to ranges that are read from images:
    what is trained is what the file computes, in integers alone. It is trained
    to answer as it did before (Hinton et al. 2015, arXiv:1503.02531). Input and
    output are uint8, the input in pixels. Beside the file are written its
    labels and its report, as `export_tflite` does; they say how it was made,
    and leave out the accuracy of the weights that it started from.

    Args:
        model: a trained classifier of this package; it stays as it is.
        data: labelled images, as `keras_senet.data.labelled.open_images` takes
            them, such as `"folder:PHOTOS"`, `"tfds:cifar10"` or a pair of
            arrays. Where they have no split for validation a tenth is set
            aside. Their class names are the labels where the card has none.
        path: the file, which ends in `.tflite`.
        epochs: how often every image is trained on, mirrored by chance and
            shifted by up to an eighth. Defaults to `3`.
        batch_size: images per step. Defaults to `64`.
        learning_rate: the rate of Adam at first; it falls to zero by a cosine.
            Defaults to `1e-4`.
        images: number of images that are taken at most, drawn from all; they
            lie on the disk meanwhile, as the network sees them. Defaults to
            `50_000`.
        seed: integer that decides everything random. Defaults to `0`.

    Returns:
        A `Report`, which compares the file with `model` on validation images;
        of `"tfds:cifar10"` these are of the test split.

    Raises:
        ValueError: for an argument that doesn't fit, before work starts; or
            for a layer that has no form in Keras 2 or in 8 bits.
        ImportError: without the extra `qat`.
        ImageError: for damaged images.
        Keras2Error: if the work fails otherwise; nothing is written.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> pixels = np.zeros((20, 32, 32, 3), "uint8")
    >>> report = quantization_aware(
    ...     model, (pixels, np.arange(20) % 2), "qat.tflite", epochs=1
    ... )
    >>> report.precision
    'int8'

    Reference:
        Jacob et al. 2018 (arXiv:1712.05877), section 3.
    """
    options = _options(epochs, batch_size, learning_rate, images, seed)
    path, pixels = _checked(model, data, path)
    _check_activations(pixels)
    with keras2_process.worked("quantize", pixels, data, options) as (
        folder,
        names,
    ):
        content = (folder / "model.tflite").read_bytes()
        shown = np.load(folder / "validation_images.npy")[:SHOWN]
    card = _trained(pixels.card, "trained for 8 bits", options, names)
    labels = find_labels(names, pixels)
    content = for_xnnpack(content)
    content = add_metadata(content, card.to_dict(), labels)
    expected = outputs_of(pixels, shown)
    report = Report(
        precision="int8",
        images_from="validation",
        **measure(
            content, expected, shown, True, "int8", {"training": options}
        ),
    )
    write(path, content, card, labels, report)
    return report


def prune(
    model: DescribedModel,
    data,
    path: str | Path,
    sparsity: float = 0.5,
    epochs: int = 3,
    batch_size: int = 64,
    learning_rate: float = 1e-4,
    images: int = 50_000,
    seed: int = 0,
) -> DescribedModel:
    """Trains a network while the smallest weights of its kernels become zero.

    The kernels of all convolutions and dense layers are pruned, except for
    depthwise convolutions: more and more over the first two thirds of the
    steps. The LiteRT file is in float32 and as large as before; compressed, as
    in an app's package, it is smaller.

    Args:
        model: as for `quantization_aware`.
        data: as for `quantization_aware`.
        path: as for `quantization_aware`.
        sparsity: part of each kernel that becomes zero, in (0, 1). Defaults to
            `0.5`.
        epochs: as for `quantization_aware`. Defaults to `3`.
        batch_size: as for `quantization_aware`. Defaults to `64`.
        learning_rate: as for `quantization_aware`. Defaults to `1e-4`.
        images: as for `quantization_aware`. Defaults to `50_000`.
        seed: as for `quantization_aware`. Defaults to `0`.

    Returns:
        A copy of the model with the new weights, whose card says so. The
        `Report` of the file is in the JSON file beside it, and is logged
        (`keras_senet`, at the level INFO).

    Raises:
        ValueError: as `quantization_aware`.
        ImportError: as `quantization_aware`.
        Keras2Error: as `quantization_aware`.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> pixels = np.zeros((20, 32, 32, 3), "uint8")
    >>> pruned = prune(
    ...     model, (pixels, np.arange(20) % 2), "pruned.tflite", epochs=1
    ... )
    >>> float(np.mean(pruned.get_layer("conv1_conv").kernel == 0))
    0.5

    Reference:
        Zhu and Gupta 2017 (arXiv:1710.01878), section 3.
    """
    if not isinstance(sparsity, Real) or not 0 < sparsity < 1:
        raise ValueError(
            f"`sparsity` is {sparsity!r}. Allowed: a number above 0 and below "
            "1, the part of each kernel that becomes zero."
        )
    options = _options(epochs, batch_size, learning_rate, images, seed)
    options["sparsity"] = float(sparsity)
    how = f"{100 * sparsity:g} % pruned"
    return _retrained("prune", how, model, data, path, options)


def cluster(
    model: DescribedModel,
    data,
    path: str | Path,
    clusters: int = 16,
    epochs: int = 3,
    batch_size: int = 64,
    learning_rate: float = 1e-4,
    images: int = 50_000,
    seed: int = 0,
) -> DescribedModel:
    """Trains a network of whose kernels each has few different values.

    The values of the kernels of all convolutions and dense layers, except for
    depthwise convolutions, are put into clusters, whose centres are trained. As
    after `prune` the LiteRT file is smaller once it is compressed.

    Args:
        model: as for `quantization_aware`.
        data: as for `quantization_aware`.
        path: as for `quantization_aware`.
        clusters: number of different values per kernel, at least 2. Defaults
            to `16`.
        epochs: as for `quantization_aware`. Defaults to `3`.
        batch_size: as for `quantization_aware`. Defaults to `64`.
        learning_rate: as for `quantization_aware`. Defaults to `1e-4`.
        images: as for `quantization_aware`. Defaults to `50_000`.
        seed: as for `quantization_aware`. Defaults to `0`.

    Returns:
        As `prune`.

    Raises:
        ValueError: as `quantization_aware`.
        ImportError: as `quantization_aware`.
        Keras2Error: as `quantization_aware`.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> pixels = np.zeros((20, 32, 32, 3), "uint8")
    >>> clustered = cluster(
    ...     model, (pixels, np.arange(20) % 2), "clustered.tflite", epochs=1
    ... )
    >>> len(np.unique(clustered.get_layer("conv1_conv").kernel)) <= 16
    True

    Reference:
        Han et al. 2016 (arXiv:1510.00149), section 3.
    """
    clusters = integer("clusters", clusters, 2)
    options = _options(epochs, batch_size, learning_rate, images, seed)
    options["clusters"] = clusters
    how = f"kernels clustered to {clusters} values"
    return _retrained("cluster", how, model, data, path, options)


def _retrained(work, how, model, data, path, options):
    """A copy of a model with the weights of a work, and its LiteRT file."""
    path, pixels = _checked(model, data, path)
    with keras2_process.worked(work, pixels, data, options) as (folder, names):
        arrays = dict(np.load(folder / "result.npz"))
        shown = np.load(folder / "validation_images.npy")[:SHOWN]
    made = _copy(model)
    restore(made, arrays)
    made.card = _trained(model.card, how, options, names)
    report = export_tflite(made, path, images=shown)
    logger.info("%s, %s:\n%s", path, how, report)
    return made


def _trained(card: Card, how, options, names):
    """The card of a network that was trained further; its accuracy is open."""
    card = copy.deepcopy(card)
    card.class_names = names
    card.published = card.measured = None
    epochs = options["epochs"]
    how = f"{how}, {epochs} epoch{'s' * (epochs > 1)}"
    card.origin = "; then ".join(filter(None, (card.origin, how)))
    return card


def _copy(model):
    copied = partial(copy_layer, copy_inner=lambda layer: copied(layer))
    graph = functional(model)
    made = clone(graph, copied)
    for old, new in zip(graph.layers, made.layers, strict=True):
        copy_state(old, new)
    return made


def _options(epochs, batch_size, learning_rate, images, seed):
    if not isinstance(learning_rate, Real) or not 0 < learning_rate < 1:
        raise ValueError(
            f"`learning_rate` is {learning_rate!r}. Allowed: a number above 0 "
            "and below 1."
        )
    return {
        "epochs": integer("epochs", epochs),
        "batch_size": integer("batch_size", batch_size),
        "learning_rate": float(learning_rate),
        "images": integer("images", images),
        "seed": integer("seed", seed, 0),
    }


def _checked(model, data, path):
    """The path, and the model that takes pixels, once both are known to do."""
    keras2_process.check_installed()
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Keras runs on {keras.backend.backend()}, and LiteRT's converter "
            "reads TensorFlow graphs. Set KERAS_BACKEND=tensorflow."
        )
    path = check_path(path, ".tflite")
    pixels = taking_pixels(model)
    check_channels(pixels)
    graph, _ = translate(pixels)
    last = graph["steps"][-1]["config"]
    if len(pixels.output_shape) != 2 or last.get("activation") != "softmax":
        raise ValueError(
            f"{model.name} has outputs of shape {pixels.output_shape} of the "
            f"layer {last['name']}. Allowed: a classifier that ends in softmax "
            "or in logits, which is trained on."
        )
    find_labels(None, pixels)
    for pair in data.values() if isinstance(data, dict) else [data]:
        # What else there is has files.
        if isinstance(pair, (tuple, list)) and isinstance(pair[0], np.ndarray):
            check_pixels(pair[0], "data")
    return path, pixels


def _check_activations(pixels):
    graph, _ = translate(pixels)
    for step in graph["steps"]:
        config = step["config"]
        if step["class"] != "Activation" or config["activation"] in INTEGER:
            continue
        raise ValueError(
            f"{config['name']} is the activation {config['activation']!r}, "
            "which LiteRT does not compute in 8 bits. Allowed: relu, relu6, "
            f"hard_sigmoid, {', '.join(INTEGER)}."
        )
