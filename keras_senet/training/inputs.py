"""The images of a run: opened, looked through, and cut into its steps."""

import hashlib
import json
import logging
from functools import partial
from pathlib import Path

import numpy as np

from keras_senet import distribution
from keras_senet.data.augmentation import rand_augment
from keras_senet.data.images import ImageError
from keras_senet.data.labelled import (
    LabelledImages,
    SplitError,
    open_images,
)
from keras_senet.data.pipeline import training_batches
from keras_senet.data.readable import find_unreadable, skip
from keras_senet.data.sampling import Sampler, hold_out
from keras_senet.training import run_folder
from keras_senet.training.config import TrainConfig

logger = logging.getLogger("keras_senet")


def open_data(config: TrainConfig) -> tuple[LabelledImages, LabelledImages]:
    """Opens the images that a config names.

    Args:
        config: the run's config.

    Returns:
        The training and the validation images.

    Raises:
        ValueError: if there are none, or they are of other classes.
    """
    images = open_images(config.data, "train")
    if config.hold_out:
        stay, held = hold_out(images.labels, config.hold_out, config.seed)
        data = images.take(stay), images.take(held)
    else:
        try:
            data = images, open_images(config.data, "validation")
        except SplitError as error:
            raise ValueError(
                f"{error} Set aside a part of the training images: "
                "--hold-out 0.2."
            ) from error
    if data[0].class_names != data[1].class_names:
        only = set(data[0].class_names) ^ set(data[1].class_names)
        raise ValueError(
            f"Training and validation images of {config.data} are of other "
            f"classes: {', '.join(sorted(only)[:5])} are in one alone. Give "
            "both the same folders."
        )
    return data


def facts_of(data: tuple[LabelledImages, LabelledImages]) -> dict:
    """Returns what must not change about images while a run is interrupted.

    Args:
        data: the training and the validation images.

    Returns:
        Their numbers, and a hash of their classes.
    """
    facts = {}
    for kind, images in zip(("training", "validation"), data, strict=True):
        digest = hashlib.sha256(images.labels.tobytes())
        digest.update("\0".join(images.class_names).encode())
        facts[f"{kind}_images"] = len(images)
        facts[f"{kind}_labels"] = digest.hexdigest()[:16]
    return facts


def leave_out_unreadable(
    config: TrainConfig, strategy, data: tuple[LabelledImages, LabelledImages]
) -> tuple[LabelledImages, LabelledImages]:
    """Returns the data without damaged images, looked for once in a run's life.

    Each worker looks through its part; what was found lies in the run's folder.

    Args:
        config: the run's config.
        strategy: a `tf.distribute.Strategy`.
        data: the training and the validation images.

    Returns:
        The same, without those that can't be read.

    Raises:
        ImageError: if there are more than the config allows; it names them, and
            `unreadable.txt` in the run's folder all of them.
    """
    path = Path(config.out) / run_folder.UNREADABLE
    worker, workers = distribution.part_of(strategy)
    known = _known(path)
    found = []
    for number, images in enumerate(data):
        marks = np.zeros(len(images) + 1)
        if worker == 0 and known is not None:
            # The last mark says that the first worker knows already.
            marks[[*known[number]["numbers"], -1]] = 1
        elif known is None:
            marks[
                find_unreadable(images, np.arange(worker, len(images), workers))
            ] = 1
        marks = distribution.sum_over_workers(strategy, marks)
        found.append(np.flatnonzero(marks[:-1]))
    record = [
        {
            "numbers": numbers.tolist(),
            "names": [images.describe(int(n)) for n in numbers],
        }
        for images, numbers in zip(data, found, strict=True)
    ]
    try:
        kept = tuple(
            skip(images, numbers, config.max_unreadable)
            for images, numbers in zip(data, found, strict=True)
        )
    except ImageError:
        # All of them; the message has the first. The next start looks again.
        if worker == 0:
            path.unlink(missing_ok=True)
            names = [name for part in record for name in part["names"]]
            run_folder.write_text(
                path.with_suffix(".txt"), "\n".join(names) + "\n"
            )
        raise
    if worker == 0 and known is None:
        run_folder.write_text(path, json.dumps(record, indent=2) + "\n")
    for images, numbers in zip(data, found, strict=True):
        if len(numbers):
            logger.warning(
                "%s: %d images can't be read and are left out; %s names them.",
                images.name,
                len(numbers),
                path,
            )
    return kept


def _known(path):
    """What an earlier start of the run found, or `None`."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        logger.warning("%s is damaged; the images are looked through.", path)
        return None


def batches_of(
    config: TrainConfig,
    images: LabelledImages,
    sampler: Sampler,
    steps: range,
    strategy,
):
    """Returns the batches of some steps, those of this worker's devices.

    Args:
        config: the run's config.
        images: the training images.
        sampler: decides which images make up a step.
        steps: the numbers of the steps.
        strategy: a `tf.distribute.Strategy`.

    Returns:
        Iterator of pairs of images and labels, as the strategy distributes
        them.
    """
    augment = None
    if config.rand_augment:
        augment = partial(rand_augment, magnitude=config.rand_augment)
    data = training_batches(
        images,
        sampler,
        (config.image_size, config.image_size),
        config.batch_size,
        steps,
        config.crop,
        augment,
        distribution.part_of(strategy),
        distribution.local_replicas(strategy),
        config.threads or None,
    )
    if strategy.num_replicas_in_sync > 1:
        return iter(strategy.distribute_datasets_from_function(lambda _: data))
    return iter(data)


def check_readable(images: LabelledImages, numbers: np.ndarray) -> None:
    """Names the file that is to blame for a batch that could not be read.

    Args:
        images: the training images.
        numbers: those that may be to blame.

    Raises:
        TrainingError: if some could be read when the run began, and can't be
            now.
    """
    names = [
        images.describe(int(number))
        for number in find_unreadable(images, np.unique(numbers))
    ]
    if names:
        raise run_folder.TrainingError(
            f"{len(names)} images could be read when the run began, and can't "
            f"be now: {', '.join(names[:3])}, … Bring them back and run the "
            "same command again."
        )
