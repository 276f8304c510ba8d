"""LiteRT files on labelled images."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from keras_senet.classifier import Classifier
from keras_senet.data.labelled import LabelledImages
from keras_senet.data.pipeline import evaluation_batches
from keras_senet.data.readable import unreadable
from keras_senet.evaluation.classes import find_outputs
from keras_senet.evaluation.result import Result, score, summarise


class FileEvaluator:
    """A LiteRT file, evaluated as `Evaluator` does it with a network.

    Args:
        path: a `.tflite` file that `export_tflite` wrote.

    Raises:
        ValueError: if it is none, or no classifier.
        ImportError: without ai-edge-litert.

    Example:

    >>> from functools import partial
    >>> from keras_senet.data.labelled import open_images
    >>> from keras_senet.evaluation import views
    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> report = keras_senet.export_tflite(model, "se_resnet20.tflite")
    >>> evaluator = FileEvaluator("se_resnet20.tflite")
    >>> photos = open_images((np.zeros((3, 32, 32, 3), "uint8"), np.arange(3)))
    >>> evaluator(photos, partial(views.center, size=(32, 32))).images
    3
    """

    def __init__(self, path: str | Path):
        self._classifier = Classifier(path)
        self.card = self._classifier.card

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
            cut: as for `Evaluator`.
            batch_size: images that are read at once. Defaults to `32`.
            track: as for `Evaluator`. Defaults to `iter`.

        Returns:
            A `Result`.

        Raises:
            ValueError: if the classes or the views don't fit the file.
            ImageError: if an image can't be read; it names it.
        """
        import tensorflow as tf

        count = len(images)
        if not count:
            raise ValueError(f"{images.name} has no image. Give at least one.")
        places = find_outputs(
            images.class_names,
            self.card.class_names,
            self._classifier.model.output_shape[-1],
            images.name,
        )
        targets = places[images.labels]
        ranks, losses = np.zeros((2, count))
        batches = iter(evaluation_batches(images, cut, batch_size))
        for step in track(range(-(-count // batch_size))):
            try:
                numbers, crops, _ = next(batches)
            except tf.errors.OpError as error:
                some = np.arange(step * batch_size, (step + 1) * batch_size)
                raise unreadable(images, some[some < count], error) from error
            [crops] = crops if isinstance(crops, tuple) else [crops]
            some_count, views, *shape = crops.shape
            pixels = crops.numpy().reshape(-1, *shape)
            scores = self._classifier.scores(pixels)
            # The mean over the views of each image.
            scores = scores.reshape(some_count, views, -1).mean(1)
            some = numbers.numpy()
            ranks[some], losses[some] = score(scores, targets[some])
        return summarise(ranks, losses, images.labels, images.class_names)
