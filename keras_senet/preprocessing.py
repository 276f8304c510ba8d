"""What goes into a network and what its outputs mean."""

from importlib import resources

import keras
import numpy as np

from keras_senet import checks

# Mean and standard deviation of pixels in [0, 255], RGB.
NORMALIZATIONS = {
    # Of the ImageNet training set, as torchvision and its heirs use them.
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    # The mean alone, as the paper trains (header of the authors' prototxts).
    "mean": ((123.0, 117.0, 104.0), (1.0, 1.0, 1.0)),
    # The mean alone, as keras.applications' "caffe" mode has it.
    "caffe": ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
    # To [-1, 1].
    "signed": ((127.5,), (127.5,)),
}

# The dataset whose classes are that many.
DATASETS = {1000: "imagenet", 10: "cifar10"}


def resolve_normalization(
    normalization=None, channels: int = 3
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the mean and standard deviation that a normalization means.

    Args:
        normalization: a key of `NORMALIZATIONS`, a pair (mean, std) of numbers
            or of one number per channel, for pixels in [0, 255], or `None` for
            `"imagenet"` with three channels and `"signed"` with others.
            Defaults to `None`.
        channels: number of channels of the image. Defaults to `3`.

    Returns:
        Two tuples of floats, each with one or `channels` numbers.

    Raises:
        ValueError: if it is unknown or doesn't fit the channels.

    Example:

    >>> resolve_normalization("signed")
    ((127.5,), (127.5,))
    """
    if normalization is None:
        normalization = "imagenet" if channels == 3 else "signed"
    allowed = (
        f"{', '.join(map(repr, NORMALIZATIONS))}, or a pair (mean, std) of "
        "numbers or of one number per channel, for pixels in [0, 255]"
    )
    if isinstance(normalization, str):
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` is {normalization!r}. Allowed: {allowed}."
            )
        normalization = NORMALIZATIONS[normalization]
    try:
        mean, std = (
            tuple(float(number) for number in np.atleast_1d(part))
            for part in normalization
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`normalization` is {normalization!r}. Allowed: {allowed}."
        ) from error
    for part in (mean, std):
        if len(part) not in (1, channels):
            raise ValueError(
                f"`normalization` has {len(part)} numbers for images of "
                f"{channels} channels: {normalization!r}. Allowed: {allowed}."
            )
    if not min(std) > 0 or not np.isfinite(mean + std).all():
        raise ValueError(
            f"`normalization` is ({mean}, {std}). Allowed: finite numbers, and "
            "standard deviations greater than 0."
        )
    return mean, std


def preprocess_input(x, data_format: str | None = None, normalization=None):
    """Prepares images for a network; networks that normalise need nothing.

    The networks of this package normalise inside and take pixels in [0, 255],
    so without `normalization` the input comes back as it is, as in
    `keras.applications.efficientnet_v2`. For a network built with
    `include_preprocessing=False`, name its normalization.

    Args:
        x: array or tensor of RGB images, pixels in [0, 255].
        data_format: `"channels_last"`, `"channels_first"` or `None` for the
            one in the Keras configuration. Defaults to `None`.
        normalization: `None`, `"imagenet"`, `"mean"`, `"signed"` or a pair
            (mean, std). Defaults to `None`.

    Returns:
        `x` itself, or a new array or tensor of floats. The array given is
        never written to.

    Raises:
        ValueError: for an unknown normalization.

    Example:

    >>> image = np.full((1, 32, 32, 3), 255, "uint8")
    >>> prepared = keras_senet.preprocess_input(image, normalization="signed")
    >>> float(prepared.max())
    1.0

    Reference:
        The paper's section 5.1: the mean of each channel is subtracted.
    """
    if normalization is None:
        return x
    if data_format is None:
        data_format = keras.config.image_data_format()
    axis = -1 if data_format == "channels_last" else -3
    mean, std = resolve_normalization(normalization, x.shape[axis])
    if data_format == "channels_first":
        mean, std = (np.reshape(part, (-1, 1, 1)) for part in (mean, std))
    if keras.ops.is_tensor(x):
        dtype = keras.backend.standardize_dtype(x.dtype)
        dtype = dtype if "float" in dtype else "float32"
        mean, std = (keras.ops.convert_to_tensor(p, dtype) for p in (mean, std))
        return (keras.ops.cast(x, dtype) - mean) / std
    x = np.asarray(x)
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype("float32")
    return ((x - np.asarray(mean)) / np.asarray(std)).astype(dtype)


def _labels(dataset):
    text = resources.files("keras_senet").joinpath(f"labels/{dataset}.txt")
    lines = text.read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines]


def class_names(dataset: str) -> list[str]:
    """Returns the names of a dataset's classes, in the order of the outputs.

    Args:
        dataset: `"imagenet"` or `"cifar10"`.

    Returns:
        List of strings.

    Example:

    >>> class_names("cifar10")[:3]
    ['airplane', 'automobile', 'bird']
    """
    return [name for _, name in _labels(dataset)]


def wordnet_ids() -> list[str]:
    """Returns the WordNet ids of ImageNet's classes, in the usual order.

    Returns:
        List of 1000 strings.

    Example:

    >>> wordnet_ids()[0]
    'n01440764'
    """
    return [wordnet_id for wordnet_id, _ in _labels("imagenet")]


def decode_predictions(
    preds, top: int = 5, class_names: list[str] | None = None
) -> list[list[tuple[str, str, float]]]:
    """Names the most likely classes of each image.

    Args:
        preds: array or tensor of shape `(batch, classes)`, scores.
        top: number of classes per image. Defaults to `5`.
        class_names: names of the classes, or `None` for ImageNet's with 1000
            columns and CIFAR-10's with 10. Defaults to `None`.

    Returns:
        One list per image of tuples (class id, name, score), the highest
        score first. The id is ImageNet's WordNet id, elsewhere the name.

    Raises:
        ValueError: if the shape is another, or the names don't fit it.

    Example:

    >>> scores = np.eye(1000)[[386]]
    >>> keras_senet.decode_predictions(scores, top=1)
    [[('n02504458', 'African elephant', 1.0)]]
    """
    preds = keras.ops.convert_to_numpy(preds)
    if preds.ndim != 2:
        raise ValueError(
            f"`preds` has the shape {preds.shape}. Allowed: (batch, classes), "
            "the output of a network with its top."
        )
    count = preds.shape[1]
    labels = _labels(DATASETS[count]) if count in DATASETS else None
    if class_names is not None:
        # ImageNet's own names keep their ids.
        if labels is None or [name for _, name in labels] != list(class_names):
            labels = [(name, name) for name in class_names]
    elif labels is None:
        raise ValueError(
            f"`preds` has {count} classes, which are neither ImageNet's 1000 "
            "nor CIFAR-10's 10. Give their names as `class_names`."
        )
    if len(labels) != count:
        raise ValueError(
            f"`class_names` has {len(labels)} names for {count} classes. Give "
            "one name per class."
        )
    top = checks.integer("top", top)
    return [
        [(*labels[index], float(row[index])) for index in order[:top]]
        for row, order in zip(preds, np.argsort(-preds, axis=1), strict=True)
    ]
