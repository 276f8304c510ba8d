"""The loop: from a config to a trained network, losing nothing on the way."""

import contextlib
import hashlib
import json
import logging
import math
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np

from keras_senet import distribution, optimizers
from keras_senet._version import __version__
from keras_senet.applications import create_model
from keras_senet.architectures.card import DescribedModel
from keras_senet.data.augmentation import rand_augment
from keras_senet.data.crops import center_crop
from keras_senet.data.labelled import LabelledImages, open_images
from keras_senet.data.pipeline import training_batches
from keras_senet.data.readable import find_unreadable, skip
from keras_senet.data.sampling import Sampler, hold_out
from keras_senet.evaluation import Evaluator
from keras_senet.training import (
    callbacks as remembered,
    checkpoints,
    run_folder,
    schedule,
)
from keras_senet.training.config import TrainConfig
from keras_senet.training.curves import draw_curves
from keras_senet.training.progress import Progress
from keras_senet.training.run_folder import Preempted, TrainingError
from keras_senet.training.step import Steps

logger = logging.getLogger("keras_senet")

# Arguments of a constructor that the loop decides itself.
OURS = (
    "classes",
    "data_format",
    "dtype",
    "features_only",
    "include_preprocessing",
    "include_top",
    "input_shape",
    "input_tensor",
    "weights",
)


def train(
    config: TrainConfig,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.callbacks.History:
    """Trains a network, or goes on with a run that was interrupted.

    Called again with the same config it goes on from the last whole checkpoint,
    and ends with the weights of a run that was never interrupted: on one CPU
    the same to the bit. SIGTERM and Ctrl-C save a checkpoint and end the run.

    The folder `config.out` then has `model.keras` (which describes itself),
    `history.csv`, `curves.png` and `result.json`.

    Args:
        config: what is trained, on what, and how.
        callbacks: Keras' callbacks, driven as `fit` drives them: batches are
            those of a call, `config.steps_per_call` steps. What they remember
            (plain attributes, the file of a `CSVLogger`) is in the checkpoints.
            Defaults to none.

    Returns:
        Keras' `History` of the whole run; its `model` is the trained network.
        Per epoch: `loss`, `top1`, `top5`, `learning_rate`, `seconds`, and
        `val_loss`, `val_top1`, `val_top5`.

    Raises:
        ValueError: for a config that does not fit the data, or a folder that
            belongs to another config; before anything is trained.
        TrainingError: if the run can't go on: the loss is not finite, another
            worker was lost, or all checkpoints are damaged; or, as
            `Preempted`, if SIGTERM ended it.
        OSError: if a checkpoint can't be written.

    Example:

    >>> images = np.zeros((8, 32, 32, 3), "uint8")
    >>> labels = np.array([0, 1] * 4)
    >>> config = TrainConfig(
    ...     "se_resnet20",
    ...     {"train": (images, labels), "test": (images, labels)},
    ...     "runs/tiny",
    ...     image_size=32,
    ...     batch_size=4,
    ...     epochs=1,
    ... )
    >>> history = train(config)
    >>> sorted(history.history)[:3]
    ['learning_rate', 'loss', 'seconds']
    """
    if not config.out:
        raise ValueError(
            "`out` is empty. Give the folder of the run (--out runs/NAME)."
        )
    strategy = distribution.make_strategy(config.strategy)
    _check_batch(config, strategy)
    worker, _ = distribution.part_of(strategy)
    with contextlib.ExitStack() as stack:
        data = open_data(config)
        if worker == 0:
            stack.enter_context(run_folder.claim(config, _facts(data[0])))
        data = _readable(config, strategy, data)
        run = _Run(config, strategy, *data, callbacks)
        stop = stack.enter_context(_signals())
        try:
            run.go(stop)
        except run.lost as error:
            raise TrainingError(
                "Another worker was lost, or can't be reached "
                f"({type(error).__name__}). Run the same command again on all "
                "workers, or on fewer: it goes on from the last checkpoint."
            ) from error
    return run.history


def _check_batch(config, strategy):
    replicas = strategy.num_replicas_in_sync
    if config.batch_size % (replicas * config.accumulation):
        raise ValueError(
            f"`batch_size` is {config.batch_size}. Allowed: a multiple of "
            f"{replicas * config.accumulation}, for {replicas} devices and "
            f"accumulation={config.accumulation}."
        )
    taken = sorted(config.options.keys() & set(OURS))
    if taken:
        raise ValueError(
            f"`options` has {taken[0]!r}, which the run decides itself (from "
            "the data, `image_size`, `weights` and `precision`). Leave it out."
        )


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
        except ValueError as error:
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


def _facts(images):
    """What must not change about the data while a run is interrupted."""
    digest = hashlib.sha256(images.labels.tobytes())
    digest.update("\0".join(images.class_names).encode())
    return {"images": len(images), "labels": digest.hexdigest()[:16]}


def _readable(config, strategy, data):
    """The data without damaged images, looked for once in a run's life."""
    path = Path(config.out) / run_folder.UNREADABLE
    worker, workers = distribution.part_of(strategy)
    known = json.loads(path.read_text()) if path.exists() else None
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
    kept = tuple(
        skip(images, numbers, config.max_unreadable)
        for images, numbers in zip(data, found, strict=True)
    )
    if worker == 0 and known is None:
        record = [
            {
                "numbers": numbers.tolist(),
                "names": [images.describe(int(n)) for n in numbers],
            }
            for images, numbers in zip(data, found, strict=True)
        ]
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


@contextlib.contextmanager
def _signals():
    """A list that has the number of a signal that asked to stop."""
    caught, before = [], {}

    def on_signal(number, _frame):
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        logger.warning(
            "%s: saving a checkpoint, then ending. Once more ends at once.",
            signal.Signals(number).name,
        )

    # Python allows it in the main thread alone; elsewhere the caller decides.
    with contextlib.suppress(ValueError):
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, on_signal)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Run:
    """A run in progress: what `train` would else keep in a dozen variables."""

    def __init__(self, config, strategy, images, validation, callbacks):
        import tensorflow as tf

        self.config, self.strategy = config, strategy
        self.folder = Path(config.out)
        self.part = distribution.part_of(strategy)
        self.lost = ()
        if self.part[1] > 1:
            self.lost = (
                tf.errors.UnavailableError,
                tf.errors.AbortedError,
                tf.errors.CancelledError,
                tf.errors.DeadlineExceededError,
                tf.errors.InternalError,
            )
        self.unreadable = (
            tf.errors.InvalidArgumentError,
            tf.errors.NotFoundError,
            tf.errors.DataLossError,
            tf.errors.PermissionDeniedError,
        )
        self.images, self.validation = images, validation
        self.sampler = Sampler(images.labels, config.seed, config.balanced)
        self.last = schedule.step_at(config, config.epochs, len(images))
        self.phases = schedule.phases(config, len(images))
        keras.utils.set_random_seed(config.seed)
        with strategy.scope():
            self.model = build_model(config, images, strategy)
        self.steps = Steps(config, self.model, strategy)
        self.evaluator = Evaluator(self.model, strategy)
        self.history = keras.callbacks.History()
        self.history.set_model(self.model)
        self.callbacks = self._callbacks(callbacks)
        self.step, self.epoch, self.stopped = 0, 0, False
        # Of the epoch: sums of loss, top-1 and top-5, and its duration.
        self.sums, self.seconds, self.rate = np.zeros(3), 0.0, 0.0
        self.rows = []

    def _callbacks(self, given):
        config = self.config
        found = [*given]
        if config.schedule == "plateau":
            found.append(
                keras.callbacks.ReduceLROnPlateau(
                    "val_loss",
                    factor=config.decay_rate,
                    patience=config.patience,
                    # Three times at most.
                    min_lr=config.learning_rate * config.decay_rate**3,
                )
            )
        if self.part[0] == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            log = str(self.folder / run_folder.HISTORY)
            found.append(keras.callbacks.CSVLogger(log, append=True))
            found.append(
                Progress(
                    len(self.images), int(config.epochs * len(self.images))
                )
            )
        return found

    def go(self, caught):
        states = self._restore()
        driven = keras.callbacks.CallbackList(
            [*self.callbacks, self.history], model=self.model
        )
        remembered.restore_files(self.callbacks, states[0])
        driven.on_train_begin()
        remembered.restore(self.callbacks, *states)
        self.model.stop_training = self.stopped
        for row in self.rows:
            self.history.on_epoch_end(
                row["epoch"],
                {key: row[key] for key in row if key != "epoch"},
            )
        if self.step == 0 and self.epoch == 0 and not states[0]:
            self._save()
        try:
            while self.step < self.last and not self.model.stop_training:
                self._train_epoch(driven, caught)
        except BaseException:
            self._close_progress()
            raise
        driven.on_train_end(self.rows[-1] if self.rows else {})
        self._finish()

    def _close_progress(self):
        for callback in self.callbacks:
            if isinstance(callback, Progress):
                callback.close()

    def _train_epoch(self, driven, caught):
        config, count = self.config, len(self.images)
        end = min(schedule.step_at(config, self.epoch + 1, count), self.last)
        driven.on_epoch_begin(self.epoch)
        batches = iter(self._batches(range(self.step, end)))
        began = time.monotonic() - self.seconds
        while self.step < end:
            steps = range(self.step, self._next_stop(end))
            shape = schedule.rates(config, steps, count)
            highest = float(
                keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
            )
            driven.on_train_batch_begin(steps[-1])
            try:
                rows, stop = self.steps.run(
                    batches, steps, self._phase(), highest * shape, bool(caught)
                )
            except self.unreadable as error:
                self._name_unreadable(steps, error)
                raise
            self._check_finite(rows, steps)
            self.sums += rows.astype("float64").sum(axis=0)
            self.step = steps[-1] + 1
            self.model.optimizer.iterations.assign(self.step)
            self.seconds = time.monotonic() - began
            self.rate = highest * float(shape[-1])
            driven.on_train_batch_end(
                steps[-1], {**self._logs(), **self._places()}
            )
            if stop:
                self._save()
                self._end(caught)
            if self.step < end and self.step % config.checkpoint_steps == 0:
                self._save()
        self._end_epoch(driven)

    def _end_epoch(self, driven):
        logs = self._logs()
        self.steps.average_statistics()
        every = self.config.validate_every
        if (self.epoch + 1) % every == 0 or self.step == self.last:
            logs |= self._validate(driven)
        logs["seconds"] = round(self.seconds, 1)
        driven.on_epoch_end(self.epoch, logs)
        self.rows.append(
            {"epoch": self.epoch}
            | {name: float(value) for name, value in logs.items()}
        )
        self.epoch += 1
        self.sums, self.seconds = np.zeros(3), 0.0
        self._save()

    def _next_stop(self, end):
        """The step at which to look up: a call's last, or one that matters."""
        every = self.config.checkpoint_steps
        stops = [
            end,
            self.step + self.config.steps_per_call,
            (self.step // every + 1) * every,
            *(start for start, _ in self.phases if start > self.step),
        ]
        return min(stops)

    def _phase(self):
        return [name for start, name in self.phases if start <= self.step][-1]

    def _batches(self, steps):
        config = self.config
        replicas = distribution.local_replicas(self.strategy)
        augment = None
        if config.rand_augment:
            augment = partial(rand_augment, magnitude=config.rand_augment)
        data = training_batches(
            self.images,
            self.sampler,
            (config.image_size, config.image_size),
            config.batch_size,
            steps,
            config.crop,
            augment,
            self.part,
            replicas,
            config.threads or None,
        )
        if self.strategy.num_replicas_in_sync == 1:
            return data
        return self.strategy.distribute_datasets_from_function(lambda _: data)

    def _images_of(self, step):
        size = self.config.batch_size
        return [
            self.images.describe(int(number))
            for number in self.sampler.numbers(step * size, (step + 1) * size)
        ]

    def _name_unreadable(self, steps, error):
        """Says which file is to blame, where one went after it was found."""
        size = self.config.batch_size
        # Batches are read ahead of their steps.
        places = steps[0] * size, (steps[-1] + 9) * size
        numbers = np.unique(self.sampler.numbers(*places))
        names = [
            self.images.describe(int(number))
            for number in find_unreadable(self.images, numbers)
        ]
        if names:
            raise TrainingError(
                f"{len(names)} images could be read when the run began, and "
                f"can't be now: {', '.join(names[:3])}, … Bring them back and "
                "run the same command again."
            ) from error

    def _check_finite(self, rows, steps):
        bad = np.flatnonzero(~np.isfinite(rows[:, 0]))
        if len(bad):
            self._not_finite(f"The loss is {rows[bad[0], 0]}", steps[bad[0]])

    def _check_weights(self):
        for variable in self.model.variables:
            values = keras.ops.convert_to_numpy(variable)
            if not np.isfinite(values).all():
                what = f"The weights of {variable.path} are not finite"
                self._not_finite(what, self.step - 1)

    def _not_finite(self, what, step):
        names = self._images_of(step)
        run_folder.write_text(
            self.folder / "not_finite.txt", "\n".join([f"step {step}", *names])
        )
        there = checkpoints.find(self.folder / run_folder.CHECKPOINTS)
        raise TrainingError(
            f"{what} after step {step} (epoch {self.epoch + 1}, rate "
            f"{self.config.learning_rate:g} at its highest); its batch is "
            f"{', '.join(names[:3])}, … (all in not_finite.txt). The last "
            f"checkpoint, {there[0].name if there else 'none'}, is from before "
            "it. Take a lower learning rate, a warm-up or clip_norm, in "
            "another folder."
        )

    def _logs(self):
        begun = schedule.step_at(self.config, self.epoch, len(self.images))
        steps = self.step - begun
        images = steps * self.config.batch_size
        parts = self.sums / (steps, images, images)
        means = zip(("loss", "top1", "top5"), parts.tolist(), strict=True)
        return {**dict(means), "learning_rate": self.rate}

    def _places(self):
        seen = self.step * self.config.batch_size
        return {
            "seen": seen - self.epoch * len(self.images),
            "seen_in_all": seen,
        }

    def _validate(self, driven):
        config = self.config
        self._check_weights()
        driven.on_test_begin()
        with self._averaged():
            result = self.evaluator(
                self.validation,
                lambda image: center_crop(
                    image,
                    (config.image_size, config.image_size),
                    config.validation_crop,
                )[None],
                _validation_batch(config, self.strategy),
            )
        logs = {"loss": result.loss, "top1": result.top1, "top5": result.top5}
        driven.on_test_end(logs)
        return {f"val_{name}": value for name, value in logs.items()}

    @contextlib.contextmanager
    def _averaged(self):
        """Puts the averaged weights, if there are, into the model's place."""
        if not self.steps.averages:
            yield
            return
        pairs = list(
            zip(self.steps.variables, self.steps.averages, strict=True)
        )
        own = [keras.ops.convert_to_numpy(v) for v, _ in pairs]
        for variable, average in pairs:
            variable.assign(keras.ops.convert_to_numpy(average))
        try:
            yield
        finally:
            for (variable, _), value in zip(pairs, own, strict=True):
                variable.assign(value)

    def _save(self):
        if self.step not in (0, self.last):
            self.steps.average_statistics()
        self._check_weights()
        if self.part[0]:
            return
        arrays = {
            f"{kind}/{number:05d}": keras.ops.convert_to_numpy(variable)
            for kind, variables in self.steps.state().items()
            for number, variable in enumerate(variables)
        }
        states, more = remembered.state_of(self.callbacks)
        facts = {
            "step": self.step,
            "epoch": self.epoch,
            "sums": self.sums.tolist(),
            "seconds": self.seconds,
            "rate": self.rate,
            "rows": self.rows,
            "callbacks": states,
            "stopped": bool(getattr(self.model, "stop_training", False)),
        }
        checkpoints.write(
            self.folder / run_folder.CHECKPOINTS,
            self.step,
            arrays | more,
            facts,
        )

    def _restore(self):
        """Takes up the last whole checkpoint; returns callbacks' states."""
        found = checkpoints.find(self.folder / run_folder.CHECKPOINTS)
        whole = None
        for path in found:
            try:
                whole = checkpoints.read(path)
                break
            except ValueError as error:
                logger.warning("%s It is passed over.", error)
        if found and whole is None:
            raise TrainingError(
                f"All checkpoints in {found[0].parent} are damaged. Remove the "
                "folder to begin anew."
            )
        step = whole[1]["step"] if whole else 0
        steps = distribution.sum_over_workers(
            self.strategy, np.eye(self.part[1])[self.part[0]] * step
        )
        if len(set(steps)) > 1:
            raise TrainingError(
                "The workers found checkpoints of the steps "
                f"{', '.join(f'{s:.0f}' for s in steps)} in {self.folder}. "
                "Give all of them the same shared folder (--out)."
            )
        if whole is None:
            return [], {}
        arrays, facts = whole
        for kind, variables in self.steps.state().items():
            for number, variable in enumerate(variables):
                variable.assign(arrays[f"{kind}/{number:05d}"])
        self.step, self.epoch = facts["step"], facts["epoch"]
        self.sums, self.seconds = np.array(facts["sums"]), facts["seconds"]
        self.rate, self.stopped = facts["rate"], facts["stopped"]
        self.rows = facts["rows"]
        if self.part[0] == 0 and (self.step == self.last or self.stopped):
            logger.warning("%s: trained already.", self.folder)
        elif self.part[0] == 0 and self.step:
            logger.warning(
                "%s: going on from step %d of %d (epoch %d).",
                self.folder,
                self.step,
                self.last,
                self.epoch + 1,
            )
        return facts["callbacks"], arrays

    def _end(self, caught):
        """Ends the run as the signal of this or another worker asked."""
        self._close_progress()
        if signal.SIGINT in caught:
            raise KeyboardInterrupt
        raise Preempted(
            f"Stopped by SIGTERM at step {self.step} of {self.last}, and saved "
            f"in {self.folder}. The same command goes on from there."
        )

    def _finish(self):
        self.steps.freeze("all")
        for variable, average in zip(
            self.steps.variables,
            self.steps.averages or self.steps.variables,
            strict=True,
        ):
            variable.assign(keras.ops.convert_to_numpy(average))
        card = self.model.card
        last = self.rows[-1]
        card.measured = {
            "top1": last["val_top1"],
            "top5": last["val_top5"],
            "dataset": self.validation.name,
            "images": len(self.validation),
        }
        if self.part[0]:
            return
        path = self.folder / run_folder.MODEL
        partial_path = path.with_name(f"partial_{path.name}")
        self.model.save(partial_path)
        partial_path.replace(path)
        result = {
            "measured": card.measured,
            "epochs": len(self.rows),
            "config": self.config.record(),
            "command": " ".join(sys.argv),
            "versions": {
                "python": sys.version.split()[0],
                "keras": keras.__version__,
                "keras_senet": __version__,
            },
        }
        run_folder.write_text(
            self.folder / "result.json", json.dumps(result, indent=2) + "\n"
        )
        try:
            draw_curves(
                {self.config.model: self.folder / run_folder.HISTORY},
                self.folder / run_folder.CURVES,
            )
        except ImportError as error:
            logger.warning("No curves are drawn. %s", error)


def build_model(
    config: TrainConfig, images: LabelledImages, strategy
) -> DescribedModel:
    """Builds the network of a config, compiled with its optimizer.

    Args:
        config: the run's config.
        images: the training images.
        strategy: the `tf.distribute.Strategy` in whose scope this is called.

    Returns:
        A `DescribedModel`.
    """
    channels = 3
    pixels = images.read(0)
    if pixels.dtype == "uint8":
        channels = pixels.shape[-1]
    model = create_model(
        config.model,
        weights=config.weights,
        classes=len(images.class_names),
        input_shape=(config.image_size, config.image_size, channels),
        dtype=config.precision,
        **config.options,
    )
    model.card.class_names = images.class_names
    model.card.crop = config.validation_crop
    model.card.interpolation = "bilinear"
    model.card.published = model.card.measured = None
    several = strategy.num_replicas_in_sync > 1
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = config.synchronized and several
    model.compile(
        optimizers.SGD(
            config.learning_rate,
            momentum=config.momentum,
            nesterov=config.nesterov,
        )
    )
    return model


def _validation_batch(config, strategy):
    """Images per device: as many as a step's, in parts of at most 128."""
    share = config.batch_size // strategy.num_replicas_in_sync
    return min(128, math.ceil(share / config.accumulation))
