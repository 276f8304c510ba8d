"""From images to named classes, with a model that describes itself."""

import importlib.util
import logging
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from keras_senet.applications import create_model
from keras_senet.architectures.card import DescribedModel
from keras_senet.data.images import (
    ImageError,
    center_crop,
    find_images,
    read_image,
)
from keras_senet.device import available_cores, on_cpu
from keras_senet.engines import BATCH, KerasEngine, LiteRTEngine
from keras_senet.export.litert import (
    PRECISIONS,
    ConversionError,
    cached_litert,
)
from keras_senet.preprocessing import decode_predictions, preprocess_input
from keras_senet.weights import sources
from keras_senet.weights.load import classes_in

logger = logging.getLogger("keras_senet")

ENGINES = ("auto", "keras", "litert")
Prediction = list[tuple[str, str, float]]


def open_model(name: str, weights: str | None = None) -> DescribedModel:
    """Returns a trained model by its name or from a saved file.

    Args:
        name: name in the registry, or the path of a `.keras` file.
        weights: tag or path of weights for a name, or `None` for the default
            ones.

    Returns:
        A model with a card.

    Raises:
        ValueError: if there are no weights, the file can't be read, or it has
            no card.
    """
    if str(name).endswith(".h5"):
        raise ValueError(
            f"{str(name)!r} holds weights alone. Name the network they are "
            f"for: --model NETWORK --weights {name}."
        )
    if not str(name).endswith(".keras"):
        keywords = {} if weights is None else {"weights": weights}
        if weights is not None and Path(weights).is_file():
            keywords["classes"] = classes_in(weights)
        model = create_model(name, **keywords)
        if model.card.weights is None:
            names = sorted({s.network.name for s in sources.SOURCES})
            raise ValueError(
                f"{name} has no weights at hand, and random ones tell nothing "
                "apart. Give a file of weights (--weights FILE), or a network "
                f"that has some: {', '.join(names)}."
            )
        return model
    if weights is not None:
        raise ValueError(
            f"{name} holds its own weights; weights={weights!r} can't be "
            "loaded as well. Leave one of them out."
        )
    if not Path(name).is_file():
        raise ValueError(
            f"The model file {str(name)!r} does not exist. Give the path of "
            "what `model.save` wrote."
        )
    if not zipfile.is_zipfile(name):
        raise ValueError(
            f"The model file {str(name)!r} can't be loaded: it is damaged, or "
            "no .keras file."
        )
    try:
        model = keras.models.load_model(name, compile=False)
    except Exception as error:
        raise ValueError(
            f"The model file {str(name)!r} can't be loaded: {error}"
        ) from error
    if getattr(model, "card", None) is None:
        raise ValueError(
            f"The model file {str(name)!r} has no card that says how its "
            "images are prepared and what its classes are. Save a model made "
            "by keras_senet's constructors."
        )
    return model


class Classifier:
    """A trained network that names what is in pictures, on the fastest engine.

    Args:
        model: a network's name in the registry, the path of a `.keras` file, or
            a classifier made by this package's constructors.
        weights: tag or path of the weights for a name. Defaults to `None`: the
            network's own.
        engine: `"keras"`, the model as a graph of Keras' backend; `"litert"`,
            which is faster on a CPU (it needs the TensorFlow backend and
            `pip install "keras_senet[litert]"`, and converts the model at its
            first use, which takes seconds and is kept in the cache); or
            `"auto"`: LiteRT where it runs and there is no GPU or TPU, else
            Keras. Defaults to `"auto"`.
        precision: `"float32"`, or `"int8"` on LiteRT: a quarter of the size,
            faster, and a little less accurate. Defaults to
            `"float32"`.
        threads: number of threads of LiteRT. Defaults to `None`: one per core
            that the process may use.
        calibration: for `"int8"`, images like those to come, as `predict` takes
            them, a hundred or more. Defaults to `None`.

    Raises:
        ValueError: if there is no such model or engine, the model is no
            classifier, or `calibration` is missing.
        ImportError: if LiteRT is asked for and not installed.

    Example:

    >>> classifier = keras_senet.Classifier("se_resnet20")
    >>> image = np.zeros((32, 32, 3), "uint8")
    >>> [[(_, name, score)]] = classifier.predict(image, top=1)
    """

    def __init__(
        self,
        model: str | Path | DescribedModel,
        weights: str | None = None,
        engine: str = "auto",
        precision: str = "float32",
        threads: int | None = None,
        calibration=None,
    ):
        for name, value, allowed in (
            ("engine", engine, ENGINES),
            ("precision", precision, PRECISIONS),
        ):
            if value not in allowed:
                raise ValueError(
                    f"`{name}` is {value!r}. Allowed: "
                    f"{', '.join(map(repr, allowed))}."
                )
        if threads is None:
            threads = available_cores()
        if type(threads) is not int or threads < 1:
            raise ValueError(
                f"`threads` is {threads!r}. Allowed: an integer of at least 1."
            )
        if (precision == "int8") != (calibration is not None):
            raise ValueError(
                "`calibration` is for precision='int8', which needs it: images "
                "like those to come, a hundred or more, from which the ranges "
                f"of the activations are read. Given: precision={precision!r}, "
                f"calibration={type(calibration).__name__}."
            )
        if isinstance(model, (str, Path)):
            model = open_model(str(model), weights)
        elif weights is not None:
            raise ValueError(
                f"`weights` is {weights!r}, and the model given has its own. "
                "Leave it out."
            )
        self.model = model
        self.card = _card(model)
        self.engine = _choose(engine, precision, model)
        self._softmax = model.layers[-1].activation is keras.activations.linear
        if self.engine == "keras":
            self._run = KerasEngine(model)
            return
        if calibration is not None:
            calibration = [image[None] for image in self._arrays(calibration)]
            if not calibration:
                raise ValueError(
                    "`calibration` has no image. Give images like those to "
                    "come, a hundred or more."
                )
        try:
            content = cached_litert(
                model, precision=precision, calibration=calibration
            )
        except ConversionError as error:
            if engine != "auto" or precision != "float32":
                raise
            logger.warning("%s It runs on Keras instead.", error)
            self.engine, self._run = "keras", KerasEngine(model)
            return
        self._run = LiteRTEngine(content, threads)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Returns the scores of a batch that is prepared as the network wants.

        Args:
            images: array of shape `(batch, *input_shape)`, with pixels in
                [0, 255] unless the network was built without preprocessing.

        Returns:
            Array of shape `(batch, classes)`, float32; each row sums to one
            for a network with a softmax or without an activation.

        Raises:
            ValueError: for another shape.
        """
        images = np.asarray(images)
        shape = self.model.input_shape[1:]
        fits = images.ndim == 4 and all(
            allowed in (None, given)
            for allowed, given in zip(shape, images.shape[1:], strict=True)
        )
        if not fits:
            raise ValueError(
                f"`images` has the shape {images.shape}. Allowed: (batch, "
                f"{', '.join(map(str, shape))}). `predict` takes images of "
                "any size."
            )
        if not len(images):
            return np.zeros((0, self.model.output_shape[-1]), "float32")
        outputs = self._run(images)
        if self._softmax:
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            outputs = outputs / outputs.sum(axis=1, keepdims=True)
        return outputs

    def predict(self, images, top: int = 5) -> list[Prediction]:
        """Names the most likely classes of images.

        Args:
            images: the path of an image or of a folder of images; an array of
                shape `(height, width, channels)` with pixels in [0, 255], or a
                batch of them; a `PIL.Image.Image`; or a list of paths, arrays
                and images. What has not the network's size is resized and
                cropped as the model's card says.
            top: number of classes per image. Defaults to `5`.

        Returns:
            One list per image of (class id, name, score), as
            `decode_predictions` gives it.

        Raises:
            ImageError: if a file can't be read.
            ValueError: for an array that is no image.
        """
        images = self._arrays(images)
        if not images:
            return []
        return self._named(self.scores(np.stack(images)), top)

    def predict_files(
        self,
        paths: Iterable[str | Path],
        top: int = 5,
        batch_size: int = BATCH,
    ) -> Iterator[tuple[Path, Prediction | ImageError]]:
        """Classifies files as they come, and goes on after one that is damaged.

        Args:
            paths: image files.
            top: number of classes per image. Defaults to `5`.
            batch_size: images per step. Defaults to `32`.

        Yields:
            Per file its path and what `predict` gives for it, or the
            `ImageError` of a file that can't be read.
        """
        paths = list(map(Path, paths))
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            arrays, errors = {}, {}
            for path in batch:
                try:
                    arrays[path] = self._array(path)
                except ImageError as error:
                    errors[path] = error
            named = {}
            if arrays:
                scores = self.scores(np.stack(list(arrays.values())))
                rows = self._named(scores, top)
                named = dict(zip(arrays, rows, strict=True))
            for path in batch:
                yield path, named.get(path) or errors[path]

    def _named(self, scores, top):
        names = self.card.class_names
        if names is None:
            names = [f"class {k}" for k in range(scores.shape[1])]
        return decode_predictions(scores, top, names)

    def _arrays(self, images):
        """Arrays as the network takes them, of whatever `predict` takes."""
        if isinstance(images, (str, Path)):
            images = find_images([images])
        elif isinstance(images, Image.Image):
            images = [images]
        elif not isinstance(images, (list, tuple)):
            images = np.asarray(images)
            images = [images] if images.ndim < 4 else list(images)
        return [self._array(image) for image in images]

    def _array(self, image):
        card = self.card
        first = card.data_format == "channels_first"
        channels = self.model.input_shape[1 if first else -1]
        if channels not in (1, 3):
            raise ValueError(
                f"The model takes images of {channels} channels. Allowed for "
                "images: 1 (grey) or 3 (RGB)."
            )
        mode = "L" if channels == 1 else "RGB"
        if isinstance(image, (str, Path)):
            image = read_image(image, mode=mode)
        elif isinstance(image, Image.Image):
            image = image.convert(mode)
        else:
            image = np.asarray(image)
            shape = image.shape
            if image.ndim != 3 or shape[-1] != channels or 0 in shape:
                raise ValueError(
                    f"An image has the shape {shape}. Allowed: (height, width, "
                    f"{channels}), pixels in [0, 255]."
                )
            if shape[:2] != card.input_size:
                if image.dtype != np.uint8:
                    raise ValueError(
                        f"An image of {shape[0]} x {shape[1]} pixels is of "
                        f"{image.dtype}, and has to be resized to "
                        f"{card.input_size[0]} x {card.input_size[1]}. "
                        "Allowed: uint8, or any type at that size."
                    )
                image = Image.fromarray(
                    image.squeeze(-1) if channels == 1 else image
                )
        if isinstance(image, Image.Image):
            image = center_crop(
                image, card.input_size, card.crop, card.interpolation
            )
        if first:
            image = image.transpose(2, 0, 1)
        if not card.include_preprocessing:
            pair = (card.normalization["mean"], card.normalization["std"])
            image = preprocess_input(
                image, data_format=card.data_format, normalization=pair
            )
        return image


def _card(model):
    card = getattr(model, "card", None)
    if card is None:
        raise ValueError(
            f"The model {getattr(model, 'name', model)!r} has no card that "
            "says how its images are prepared and what its classes are. Give "
            "one made by keras_senet's constructors."
        )
    card.check()
    if len(model.output_shape) != 2 or model.layers[-1].name != "predictions":
        raise ValueError(
            f"{model.name} is no classifier (its output is "
            f"{model.output_shape}). Build it with `include_top=True`."
        )
    return card


def _choose(engine, precision, model):
    """The engine to take, of what was asked for."""
    missing = None
    if keras.backend.backend() != "tensorflow":
        missing = "Keras on the TensorFlow backend (KERAS_BACKEND=tensorflow)"
    elif importlib.util.find_spec("ai_edge_litert") is None:
        missing = 'LiteRT: pip install "keras_senet[litert]"'
    elif None in model.input_shape[1:]:
        missing = "a model with a fixed input size"
    elif model.card.data_format == "channels_first":
        missing = "a model with data_format='channels_last'"
    elif any(layer.compute_dtype != "float32" for layer in model.layers):
        missing = "a model that computes in float32"
    if engine == "auto" and precision == "float32":
        return "litert" if missing is None and on_cpu() else "keras"
    if engine == "keras" and precision != "float32":
        raise ValueError(
            f"`precision` is {precision!r}, which engine='litert' alone has. "
            "Allowed with 'keras': 'float32'."
        )
    if engine != "keras" and missing is not None:
        error = ImportError if "pip install" in missing else ValueError
        asked = f"engine={engine!r}, precision={precision!r}"
        raise error(f"{asked} needs {missing}.")
    return "keras" if engine == "keras" else "litert"
