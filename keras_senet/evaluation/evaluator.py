"""Networks on labelled images: every image once, on any number of devices."""

from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np

from keras_senet.architectures.card import DescribedModel
from keras_senet.classifier import Classifier
from keras_senet.data.labelled import LabelledImages
from keras_senet.data.pipeline import evaluation_batches
from keras_senet.data.readable import unreadable
from keras_senet.distribution import (
    local_replicas,
    part_of,
    sum_over_workers,
)
from keras_senet.evaluation.classes import find_outputs
from keras_senet.evaluation.result import Result, score, summarise
from keras_senet.preprocessing import preprocess_input


class Evaluator:
    """One network or several, compiled once to be evaluated many times.

    The probabilities of an image are averaged over its views, and over the
    networks. Under a strategy of several devices or workers each reads and
    computes its own images. The last step is filled up with images that are not
    counted, so that every step has the same shape.

    Args:
        model: a classifier made by this package's constructors, or a list of
            them: an ensemble. It may be trained on between two calls.
        strategy: a `tf.distribute.Strategy`. Defaults to `None`: the one in
            whose scope this is, else one device.

    Raises:
        ValueError: if Keras does not run on TensorFlow, a model is no
            classifier, or the models have different classes.

    Example:

    >>> from functools import partial
    >>> from keras_senet.data.labelled import open_images
    >>> from keras_senet.evaluation import views
    >>> evaluator = Evaluator(keras_senet.SEResNet20(weights="cifar10"))
    >>> photos = open_images((np.zeros((3, 32, 32, 3), "uint8"), np.arange(3)))
    >>> evaluator(photos, partial(views.ten, size=(32, 32))).images
    3
    """

    def __init__(
        self, model: DescribedModel | Sequence[DescribedModel], strategy=None
    ):
        check_backend()
        import tensorflow as tf

        self._models = (
            list(model) if isinstance(model, (list, tuple)) else [model]
        )
        # The classifier knows whether a model is one.
        cards = [Classifier(one, engine="keras").card for one in self._models]
        self._names = cards[0].class_names
        self._orders = [
            self._order_of(model, card)
            for model, card in zip(self._models, cards, strict=True)
        ]
        self._strategy = strategy or tf.distribute.get_strategy()
        self._step = tf.function(
            lambda crops: self._strategy.run(self._compute, args=(crops,)),
            autograph=False,
        )

    def __call__(
        self,
        images: LabelledImages,
        cut: Callable,
        batch_size: int = 32,
        track: Callable[[range], Iterable] = iter,
    ) -> Result:
        """Evaluates on images.

        Args:
            images: the images.
            cut: function of an image, as `LabelledImages.read` gives it, that
                returns its views: uint8 of shape `(views, height, width,
                channels)`, or a tuple of these, one per model.
            batch_size: crops that a device computes at once; an image's views
                stay together. Defaults to `32`.
            track: function that wraps the range of the steps, such as
                `rich.progress.track`; called by the first worker alone.
                Defaults to `iter`.

        Returns:
            A `Result`, the same on all workers.

        Raises:
            ValueError: if the classes or the views don't fit the model, or the
                outputs are not finite.
            ImageError: if an image can't be read; it names it.
        """
        count = len(images)
        if not count:
            raise ValueError(f"{images.name} has no image. Give at least one.")
        outputs = self._models[0].output_shape[-1]
        places = find_outputs(
            images.class_names, self._names, outputs, images.name
        )
        targets = places[images.labels]
        batch_size = max(1, batch_size // self._count_views(images, cut))
        worker, workers = part_of(self._strategy)
        at_once = batch_size * local_replicas(self._strategy)
        steps = -(-count // (at_once * workers))
        # This worker's, of which those past the last image begin anew: they
        # only write the same results to the same places again.
        numbers = worker + workers * np.arange(steps * at_once)
        numbers = (numbers % count).reshape(steps, at_once)
        ranks, losses = np.zeros((2, count))
        wrap = track if worker == 0 else iter
        for some, rows in self._run(images, cut, batch_size, numbers, wrap):
            if not np.isfinite(rows).all():
                raise _not_finite(images, some, rows)
            ranks[some], losses[some] = score(rows, targets[some])
        others = np.arange(count) % workers != worker
        ranks[others] = losses[others] = 0
        ranks, losses = sum_over_workers(self._strategy, [ranks, losses])
        return summarise(ranks, losses, images.labels, images.class_names)

    def _order_of(self, model, card):
        """Which output of a model is which of the first one's."""
        first = self._models[0]
        count, expected = model.output_shape[-1], first.output_shape[-1]
        if count != expected:
            raise ValueError(
                f"{model.name} has {count} classes, and {first.name} "
                f"{expected}. Models of an ensemble have the same classes."
            )
        if None in (self._names, card.class_names):
            return np.arange(count)
        return find_outputs(self._names, card.class_names, count, first.name)

    def _count_views(self, images, cut):
        """The number of views, once it is sure that models can take them."""
        import tensorflow as tf

        # Traced, not computed.
        spec = (
            tf.data.Dataset.range(1)
            .map(lambda number: cut(images.read(number)))
            .element_spec
        )
        stacks = tf.nest.flatten(spec)
        if len(stacks) != len(self._models):
            raise ValueError(
                f"`cut` gives the views of {len(stacks)} models, and there are "
                f"{len(self._models)}. Return a tuple of one stack per model."
            )
        for model, stack in zip(self._models, stacks, strict=True):
            shape = tuple(model.input_shape[1:])
            if model.card.data_format == "channels_first":
                shape = (*shape[1:], shape[0])
            given = tuple(stack.shape)
            if len(given) != 4 or any(
                side not in (None, other)
                for side, other in zip(shape, given[1:], strict=True)
            ):
                raise ValueError(
                    f"The views of {images.name} have the shape {given}, and "
                    f"{model.name} takes (views, "
                    f"{', '.join(map(str, shape))}). Take that size, or "
                    "build the model for theirs: input_shape="
                    f"{given[-3:]}."
                )
        return max(stack.shape[0] for stack in stacks)

    def _run(self, images, cut, batch_size, numbers, wrap):
        """Numbers of images and their probabilities, step by step."""
        import tensorflow as tf

        batches = iter(
            self._strategy.distribute_datasets_from_function(
                lambda context: evaluation_batches(
                    images, cut, batch_size, numbers.ravel()
                )
            )
        )
        for step in wrap(range(len(numbers))):
            try:
                some, crops, _ = next(batches)
            except tf.errors.OpError as error:
                raise unreadable(images, numbers[step], error) from error
            yield tuple(
                np.concatenate(self._strategy.experimental_local_results(parts))
                for parts in (some, self._step(crops))
            )

    def _compute(self, crops):
        """Probabilities of images, the mean over views and models."""
        import tensorflow as tf

        parts = [
            tf.gather(_probabilities(model, stack), order, axis=1)
            for model, stack, order in zip(
                self._models, tf.nest.flatten(crops), self._orders, strict=True
            )
        ]
        return sum(parts) / len(parts)


def check_backend() -> None:
    """Raises an error unless Keras runs on TensorFlow.

    Raises:
        ValueError: if it runs on another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Keras runs on {keras.backend.backend()}. Evaluation reads images "
            "and divides them among devices with TensorFlow: set "
            "KERAS_BACKEND=tensorflow. (`Classifier` works on every backend.)"
        )


def _probabilities(model, crops):
    """Probabilities of images, the mean over their views, in float32."""
    import tensorflow as tf

    card = model.card
    pixels = tf.cast(tf.reshape(crops, (-1, *crops.shape[2:])), tf.float32)
    if not card.include_preprocessing:
        pair = (card.normalization["mean"], card.normalization["std"])
        pixels = preprocess_input(pixels, "channels_last", pair)
    if card.data_format == "channels_first":
        pixels = tf.transpose(pixels, (0, 3, 1, 2))
    outputs = tf.cast(model(pixels, training=False), tf.float32)
    if model.layers[-1].activation is keras.activations.linear:
        outputs = tf.nn.softmax(outputs)
    views = crops.shape[1]
    return tf.reduce_mean(
        tf.reshape(outputs, (-1, views, outputs.shape[-1])), axis=1
    )


def _not_finite(images, numbers, rows):
    bad = np.argmin(np.isfinite(rows).all(1))
    return ValueError(
        f"The network's outputs for {images.describe(int(numbers[bad]))} are "
        f"not finite: {rows[bad][:3].tolist()}, … Its weights are damaged, or "
        "float16 is too narrow for it: evaluate in float32."
    )
