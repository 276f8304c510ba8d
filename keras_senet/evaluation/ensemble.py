"""Evaluates networks by name, from files, or as they are: one or several."""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from keras_senet.architectures.card import DescribedModel
from keras_senet.checks import integer
from keras_senet.data.decoding import decode
from keras_senet.data.labelled import open_images
from keras_senet.data.pipeline import check_size
from keras_senet.data.readable import leave_out
from keras_senet.distribution import part_of
from keras_senet.evaluation.deployed import FileEvaluator
from keras_senet.evaluation.evaluator import Evaluator, check_backend
from keras_senet.evaluation.result import Result
from keras_senet.evaluation.views import VIEWS
from keras_senet.open import open_model

logger = logging.getLogger("keras_senet")

Model = str | Path | DescribedModel


def evaluate(
    model: Model | Sequence[Model],
    data,
    split: str | None = None,
    *,
    weights: str | Sequence[str | None] | None = None,
    views: str = "center",
    size: int | tuple[int, int] | None = None,
    crop: float | None = None,
    batch_size: int = 32,
    csv: str | Path | None = None,
    strategy=None,
    max_unreadable: int = 0,
    track: Callable[[range], Iterable] = iter,
) -> Result:
    """Measures the top-1 and top-5 accuracy of a network or an ensemble.

    Args:
        model: a network's name in the registry, the path of a `.keras` file, a
            classifier made by this package's constructors; or a list of these,
            whose probabilities are averaged. Or the path of a `.tflite` file
            that `export_tflite` wrote, which runs on LiteRT.
        data: images, as `keras_senet.data.labelled.open_images` takes them:
            `"folder:PATH"`, `"tfds:NAME"`, arrays, or `LabelledImages`. Classes
            are found by their names, of ImageNet's also by their WordNet ids;
            there may be fewer than the network has.
        split: the part of the data. Defaults to `None`: that for validation,
            or all of a folder that has no splits.
        weights: tag or path of the weights for a name, one per model. Defaults
            to `None`: the networks' own.
        views: what is averaged over: `"center"`, one crop; `"ten"`, corners,
            centre and their mirror images; or `"multi"`, these ten at four
            sizes. Defaults to `"center"`.
        size: height and width of the crops in pixels; one number for both. A
            network given by name is built for it. Defaults to `None`: as each
            model's card says.
        crop: part of the resized image's short side that a crop keeps: 0.875 is
            224 of 256 pixels or 320 of 365, 299 / 352 is 299 of 352. Defaults
            to `None`: as each model's card says.
        batch_size: crops that a device computes at once. Defaults to `32`.
        csv: a file for the accuracy of every class. Defaults to `None`.
        strategy: a `tf.distribute.Strategy`, among whose devices and workers
            the images are divided. Defaults to `None`: the one in whose scope
            this is called, else one device.
        max_unreadable: number of damaged images that are left out and named in
            the log; all images are read once more to find them. Defaults to
            `0`: one is an error.
        track: function that wraps the range of the steps to show progress.
            Defaults to `iter`.

    Returns:
        A `Result`, the same on all workers; each image is counted once.

    Raises:
        ValueError: for an argument that doesn't fit, before anything is
            computed; or if outputs are not finite.
        ImageError: if more images can't be read; it names them.

    Example:

    >>> pixels, labels = np.zeros((5, 32, 32, 3), "uint8"), np.arange(5)
    >>> result = evaluate("se_resnet20", (pixels, labels), views="ten")
    >>> result.images, result.top1
    (5, 0.2)

    Reference:
        The paper's section 5.1: the centre crop, of 224 pixels and of 320.
    """
    check_backend()
    models = list(model) if isinstance(model, (list, tuple)) else [model]
    tags = [weights] if isinstance(weights, (str, Path)) else weights
    tags = [None] * len(models) if tags is None else list(tags)
    size = None if size is None else check_size(size)
    _check(models, tags, views, crop, batch_size, csv)
    import tensorflow as tf

    strategy = strategy or tf.distribute.get_strategy()
    images = open_images(data, split)
    if str(models[0]).endswith(".tflite"):
        evaluator = FileEvaluator(models[0])
        cards = [evaluator.card]
    else:
        with strategy.scope():
            models = [
                _open(one, tag, size)
                for one, tag in zip(models, tags, strict=True)
            ]
        evaluator = Evaluator(models, strategy)
        cards = [one.card for one in models]
    images = leave_out(images, max_unreadable)
    cut = _cut(cards, VIEWS[views], size, crop)
    result = evaluator(images, cut, batch_size, track)
    if csv is not None and part_of(strategy)[0] == 0:
        result.write_csv(csv)
    return result


def _check(models, tags, views, crop, batch_size, csv):
    if not models or len(models) != len(tags):
        raise ValueError(
            f"There are {len(models)} models and {len(tags)} `weights`. "
            "Allowed: at least one model, and weights for none or for each."
        )
    files = [one for one in models if str(one).endswith(".tflite")]
    if files and (len(models) > 1 or tags != [None]):
        raise ValueError(
            f"{str(files[0])!r} is a LiteRT file, which has its own weights "
            "and is evaluated alone. Leave the other models and `weights` out."
        )
    if views not in VIEWS:
        raise ValueError(
            f"`views` is {views!r}. Allowed: {', '.join(map(repr, VIEWS))}."
        )
    if crop is not None and not 0.1 <= crop <= 1:
        raise ValueError(
            f"`crop` is {crop!r}. Allowed: a number from 0.1 to 1, the part of "
            "the resized image's short side, such as 0.875 for 224 of 256."
        )
    integer("batch_size", batch_size)
    if csv is not None and not Path(csv).absolute().parent.is_dir():
        raise ValueError(
            f"`csv` is {str(csv)!r}, and there is no such folder. Make it "
            "first."
        )


def _open(model, weights, size):
    """A model; one given by name takes images of the size."""
    if not isinstance(model, (str, Path)):
        if weights is not None:
            raise ValueError(
                f"`weights` is {weights!r}, and {model.name} is a model, which "
                "has its own. Leave it out."
            )
        return model
    return open_model(str(model), weights, size)


def _cut(cards, view, size, crop):
    """The function that makes of an image every model's views."""

    def cut(data):
        image = decode(data)
        return tuple(
            view(
                image,
                size or tuple(card.input_size),
                crop or card.crop,
                card.interpolation,
            )
            for card in cards
        )

    return cut
