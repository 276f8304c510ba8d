"""From images to named classes, with a model that describes itself."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras
import numpy as np

from keras_senet.architectures.card import DescribedModel
from keras_senet.checks import integer
from keras_senet.data.images import ImageError
from keras_senet.device import available_cores
from keras_senet.engines import (
    BATCH,
    ENGINES,
    KerasEngine,
    LiteRTEngine,
    choose_engine,
)
from keras_senet.inputs import find_inputs, prepare
from keras_senet.litert.conversion import (
    PRECISIONS,
    ConversionError,
    cached_litert,
)
from keras_senet.litert.deployed import DeployedModel, open_tflite
from keras_senet.open import card_of, open_model
from keras_senet.preprocessing import decode_predictions

logger = logging.getLogger("keras_senet")

# Images from which the ranges of 8 bits are read: with fewer it warns.
CALIBRATION = 100
# Far beyond any use, and not yet beyond what a machine can start.
MOST_THREADS = 1024
Prediction = list[tuple[str, str, float]]


class Classifier:
    """A trained network that names what is in pictures, on the fastest engine.

    LiteRT has the weights that the model has when the classifier is made: after
    training or `set_weights`, make another.

    Args:
        model: a network's name in the registry, the path of a `.keras` file or
            of a `.tflite` file that `export_tflite` wrote, or a classifier made
            by this package's constructors.
        weights: tag or path of the weights for a name. Defaults to `None`: the
            network's own.
        engine: `"keras"`, the model as a graph of Keras' backend; `"litert"`,
            which is faster on a CPU (it needs the TensorFlow backend and
            `pip install "keras_senet[litert]"`, and converts the model at its
            first use, which takes seconds and is kept in the cache); or
            `"auto"`: LiteRT where it runs and there is no GPU or TPU, else
            Keras. Defaults to `"auto"`.
        precision: `"float32"`, or on LiteRT `"float16"` or `"dynamic"`,
            weights in 16 or 8 bits, or `"int8"`, all in 8 bits: a quarter of
            the size, faster, and a little less accurate. Defaults to
            `"float32"`.
        threads: number of threads of LiteRT, up to 1024. Defaults to `None`:
            one per core that the process may use.
        calibration_data: for `"int8"`, images like those to come, as `predict`
            takes them, a hundred or more; files that can't be read are left
            out. Defaults to `None`.

    Raises:
        ValueError: if there is no such model or engine, the model is no
            classifier, or `calibration_data` is missing or not finite.
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
        calibration_data=None,
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
        if engine == "keras" and threads is not None:
            raise ValueError(
                f"`threads` is {threads!r}, which engine='litert' alone has. "
                "Leave it out: Keras takes all cores."
            )
        if threads is None:
            threads = available_cores()
        threads = integer("threads", threads, most=MOST_THREADS)
        if precision == "int8" and calibration_data is None:
            raise ValueError(
                "precision='int8' needs `calibration_data`: images like those "
                "to come, a hundred or more, from which the ranges of the "
                "activations are read."
            )
        if precision != "int8" and calibration_data is not None:
            raise ValueError(
                "`calibration_data` is for precision='int8' alone, and "
                f"`precision` is {precision!r}. Leave it out, or ask for "
                "'int8'."
            )
        if str(model).endswith(".tflite") and isinstance(model, (str, Path)):
            if (weights, engine == "keras", precision) != (
                None,
                False,
                "float32",
            ):
                raise ValueError(
                    f"{str(model)!r} has weights and a precision of its own, "
                    "and runs on LiteRT. Leave `weights`, `engine` and "
                    "`precision` out."
                )
            model = open_tflite(model)
        elif isinstance(model, (str, Path)):
            model = open_model(str(model), weights)
        elif weights is not None:
            raise ValueError(
                f"`weights` is {weights!r}, and the model given has its own. "
                "Leave it out."
            )
        self.model = model
        self._softmax = self._untrained = False
        if isinstance(model, DeployedModel):
            self.card = _card_of_file(model)
            self.engine = "litert"
            self._run = LiteRTEngine(model.content, int(threads))
            return
        self.card = card_of(model)
        self.engine = choose_engine(engine, precision, model)
        self._softmax = model.layers[-1].activation is keras.activations.linear
        self._untrained = _is_untrained(model)
        if self.engine == "keras":
            self._run = KerasEngine(model)
            return
        calibration = None
        if calibration_data is not None:
            calibration = self._prepared_calibration(calibration_data)
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
        self._run = LiteRTEngine(content, int(threads))

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Returns the scores of a batch that is prepared as the network wants.

        Args:
            images: array of shape `(batch, *input_shape)`, with pixels in
                [0, 255] unless the network was built without preprocessing.

        Returns:
            Array of shape `(batch, classes)`, float32; each row sums to one
            for a network with a softmax or without an activation.

        Raises:
            ValueError: for another shape, or pixels that are not finite.
        """
        images = self._checked(images)
        if not len(images):
            return np.zeros((0, self.model.output_shape[-1]), "float32")
        outputs = self._finite(self._run(images))
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
            ValueError: for anything else, or pixels that are not finite.
        """
        images = [
            prepare(image, self.model, f"Image {number}")
            for number, image in enumerate(find_inputs(images))
        ]
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

        Raises:
            ValueError: for one path, or another `batch_size`.
        """
        if isinstance(paths, (str, Path)):
            raise ValueError(
                f"`paths` is {str(paths)!r}, one path. Allowed: a list of the "
                "paths of images. `predict` takes one, or a folder."
            )
        batch_size = integer("batch_size", batch_size)
        return self._predict_files(list(map(Path, paths)), top, batch_size)

    def _predict_files(self, paths, top, batch_size):
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            arrays, errors = {}, {}
            for path in batch:
                try:
                    arrays[path] = prepare(path, self.model)
                except ImageError as error:
                    errors[path] = error
            named = {}
            if arrays:
                scores = self.scores(np.stack(list(arrays.values())))
                rows = self._named(scores, top)
                named = dict(zip(arrays, rows, strict=True))
            for path in batch:
                yield path, named.get(path) or errors[path]

    def _prepared_calibration(self, images):
        arrays = []
        for number, image in enumerate(find_inputs(images)):
            try:
                arrays.append(prepare(image, self.model, f"Image {number}"))
            except ImageError as error:
                logger.warning("%s. The calibration goes on without.", error)
        if not arrays:
            raise ValueError(
                "`calibration_data` has no image that can be read. Give images "
                "like those to come, a hundred or more."
            )
        if len(arrays) < CALIBRATION:
            logger.warning(
                "The ranges of the activations are read from %d images; with "
                "a hundred or more the answers are better.",
                len(arrays),
            )
        arrays = self._checked(np.stack(arrays))
        # The converter ends the process where ranges are not finite.
        self._finite(KerasEngine(self.model)(arrays[:BATCH]))
        return [image[None] for image in arrays]

    def _checked(self, images):
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
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            finite = np.isfinite(images).all(axis=(1, 2, 3))
            raise ValueError(
                f"Image {finite.argmin()} has pixels that are NaN or infinite. "
                "Allowed: numbers in [0, 255]."
            )
        return images

    def _finite(self, outputs):
        if not np.isfinite(outputs).all():
            raise ValueError(
                f"The outputs of {self.model.name} are not finite. Its weights "
                "are damaged, or its training diverged."
            )
        return outputs

    def _named(self, scores, top):
        if self._untrained:
            logger.warning(
                "%s was never trained (weights=None): the names are guesses.",
                self.model.name,
            )
            self._untrained = False
        names = self.card.class_names
        if names is None:
            names = [f"class {k}" for k in range(scores.shape[1])]
        return decode_predictions(scores, top, names)


def _card_of_file(model):
    if len(model.output_shape) != 2:
        raise ValueError(
            f"{model.name} is no classifier (its output is "
            f"{model.output_shape}). Export a model that has its top."
        )
    model.card.check()
    return model.card


def _is_untrained(model):
    """Whether the first moving average is still where it began."""
    means = [v for v in model.variables if v.name == "moving_mean"]
    return (
        model.card.weights is None
        and bool(means)
        and not np.any(keras.ops.convert_to_numpy(means[0]))
    )
