"""Files of other projects into the networks of this one."""

import logging
from pathlib import Path

import numpy as np

from keras_senet.architectures.table import Network
from keras_senet.architectures.variants import from_record, keywords
from keras_senet.weights.containers import read_arrays
from keras_senet.weights.dialects import DIALECTS, GEOMETRY
from keras_senet.weights.load import assign, load_weights

logger = logging.getLogger("keras_senet")


def translate(
    path, network: Network, dialect: str | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Reads a foreign file in the names of this package.

    Args:
        path: a `.safetensors`, `.h5` or `.caffemodel` file.
        network: the record of the network it is for.
        dialect: key of `DIALECTS`, or `None` to tell it from the file.

    Returns:
        `layer/variable` -> array in the layout of Keras, and the dialect.

    Raises:
        ValueError: if the file is damaged, or of another network.
    """
    if dialect is not None and dialect not in DIALECTS:
        raise ValueError(
            f"`dialect` is {dialect!r}. Allowed: None, "
            f"{', '.join(map(repr, DIALECTS))}."
        )
    arrays = read_arrays(path)
    dialect = dialect or _dialect(Path(path).suffix, arrays, network)
    try:
        return DIALECTS[dialect](arrays, network), dialect
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"The weights file {str(path)!r} can't be read: {error}"
        ) from error


def _dialect(suffix, arrays, network):
    """Whose file it is, by its suffix and the names in it."""
    if suffix == ".caffemodel":
        return "caffe"
    if suffix == ".safetensors":
        cadene = any(key.startswith("layer0.") for key in arrays)
        return "cadene" if cadene else "torch"
    # HDF5 files of Keras 2: classification_models names no layer.
    automatic = any(key.startswith("conv2d") for key in arrays)
    if automatic and network.family == "resnet":
        return "classification_models"
    return "keras_applications"


def geometry(dialect: str, network: Network) -> dict[str, str]:
    """Returns what a project's graphs have and this package's do not.

    Args:
        dialect: key of `DIALECTS`.
        network: the record of the network.

    Returns:
        Keywords of the network's constructor.
    """
    known = keywords(network)
    graph = GEOMETRY.get(dialect, {})
    return {key: value for key, value in graph.items() if key in known}


def convert_weights(path, model, dialect: str | None = None) -> None:
    """Loads the weights of another project's file into a model.

    Args:
        path: a `.safetensors` file with the names of timm or torchvision, an
            HDF5 file of keras.applications or classification_models, a
            `.caffemodel` of the authors, or a file of Keras.
        model: a model of this package. Its graph must be the one that the
            weights were trained in: `stride_on="3x3", pool="padded"` for
            timm's and torchvision's, `pool="padded"` for keras.applications'
            ResNets.
        dialect: `"torch"`, `"cadene"`, `"keras_applications"`,
            `"classification_models"` or `"caffe"`, or `None` to tell it from
            the file. Defaults to `None`.

    Raises:
        ValueError: if the file is damaged or belongs to another network. The
            model is unchanged then.

    Example:

    >>> model = keras_senet.SEResNet50(
    ...     weights=None, stride_on="3x3", pool="padded"
    ... )
    >>> keras_senet.convert_weights("seresnet50.safetensors", model)
    """
    card = getattr(model, "card", None)
    if card is None:
        raise ValueError(
            f"{getattr(model, 'name', model)!r} has no card that says which "
            "network it is. Give a model made by a constructor of keras_senet."
        )
    if str(path).endswith((".weights.h5", ".keras")):
        load_weights(model, path)
        return
    network = from_record(card.record)
    arrays, dialect = translate(path, network, dialect)
    assign(model, arrays, f"The weights file {str(path)!r}")
    card.weights = str(path)
    words = [
        f"{key}={value!r} (here {getattr(network, key)!r})"
        for key, value in geometry(dialect, network).items()
        if getattr(network, key) != value
    ]
    if words:
        logger.warning(
            "%s: networks of this kind of file (%s) are usually trained with "
            "%s. Build the model so unless you know better.",
            path,
            dialect,
            ", ".join(words),
        )
