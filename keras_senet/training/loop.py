"""The loop: from a config to a trained network, losing nothing on the way."""

import contextlib
import logging
import math
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_senet import distribution
from keras_senet.data.crops import center_crop
from keras_senet.data.sampling import Sampler
from keras_senet.evaluation import Evaluator
from keras_senet.training import (
    callbacks as remembered,
    checkpoints,
    checks,
    inputs,
    run_folder,
    schedule,
    state,
)
from keras_senet.training.config import TrainConfig
from keras_senet.training.interruption import signals
from keras_senet.training.network import build_model
from keras_senet.training.progress import Progress
from keras_senet.training.result import write_result
from keras_senet.training.run_folder import Preempted, TrainingError
from keras_senet.training.step import Steps

logger = logging.getLogger("keras_senet")

# Callbacks that write, which one worker does for all.
WRITERS = (
    Progress,
    keras.callbacks.CSVLogger,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.TensorBoard,
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

    Reference:
        The paper's section 5.1; its recipes and what they are from are in
        `configs/`.
    """
    if not config.out:
        raise ValueError(
            "`out` is empty. Give the folder of the run (--out runs/NAME)."
        )
    try:
        strategy = distribution.make_strategy(config.strategy)
    except ConnectionError as error:
        raise TrainingError(str(error)) from error
    checks.check(config, strategy, callbacks)
    worker, _ = distribution.part_of(strategy)
    with contextlib.ExitStack() as stack:
        data = inputs.open_data(config)
        if config.batch_size > len(data[0]):
            raise ValueError(
                f"`batch_size` is {config.batch_size}, and there are "
                f"{len(data[0])} training images. Allowed: at most as many."
            )
        facts = inputs.facts_of(data)
        if worker == 0:
            stack.enter_context(run_folder.claim(config, facts))
        try:
            checks.check_workers(config, facts, strategy)
            checks.check_folder(config, strategy)
            data = inputs.leave_out_unreadable(config, strategy, data)
            run = _Run(config, strategy, *data, callbacks)
            run.go(stack.enter_context(signals()))
        except _lost(strategy) as error:
            raise TrainingError(
                "Another worker was lost, or can't be reached "
                f"({type(error).__name__}). Run the same command again on all "
                "workers, or on fewer: it goes on from the last checkpoint."
            ) from error
    return run.history


def _lost(strategy):
    """The errors that say that another worker is not there."""
    import tensorflow as tf

    if distribution.part_of(strategy)[1] == 1:
        return ()
    return (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.InternalError,
    )


class _Run:
    """A run in progress: what `train` would else keep in a dozen variables."""

    def __init__(self, config, strategy, images, validation, callbacks):
        import tensorflow as tf

        self.config, self.strategy = config, strategy
        self.folder = Path(config.out)
        self.part = distribution.part_of(strategy)
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
        self.progress = Progress(len(images), int(config.epochs * len(images)))
        self.callbacks = [*callbacks, *self._plateaus()]
        self.settings = remembered.settings_of(self.callbacks)
        self.state = state.RunState()

    def _plateaus(self):
        config = self.config
        if config.schedule == "plateau":
            yield keras.callbacks.ReduceLROnPlateau(
                "val_loss",
                factor=config.decay_rate,
                patience=config.patience,
                # Three times at most.
                min_lr=config.learning_rate * config.decay_rate**3,
            )

    def go(self, caught):
        """Trains what is left."""
        self.state, *remembers = state.restore(
            self.folder, self.steps, self.strategy
        )
        if self.part[0] == 0:
            remembered.restore_files(self.callbacks, remembers[0])
            run_folder.write_history(self.folder, self.state.rows)
            self._say_where()
        driven = self._drive(remembers)
        if not self.state.step:
            self._save()
        try:
            while not self._done():
                self._train_epoch(driven, caught)
        finally:
            self.progress.close()
        self._finish(driven)

    def _done(self):
        """Whether the last epoch is complete, with its validation."""
        # Of a last epoch that is a fraction there may be no step left.
        begun = schedule.step_at(
            self.config, self.state.epoch, len(self.images)
        )
        return self.state.stopped or begun >= self.last

    def _say_where(self):
        step = self.state.step
        if self._done():
            logger.warning("%s: trained already.", self.folder)
        elif step:
            logger.warning(
                "%s: going on from step %d of %d (epoch %d).",
                self.folder,
                step,
                self.last,
                self.state.epoch + 1,
            )

    def _drive(self, remembers):
        """Keras' list of callbacks, begun, with what they remember."""
        mine = [*self.callbacks, self.progress]
        if self.part[0] > 0:
            mine = [one for one in mine if not isinstance(one, WRITERS)]
        # Several of Keras' put the optimizer's rate, which is the highest, into
        # the logs.
        true_rate = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: logs.update(
                learning_rate=self.state.rate
            )
        )
        mine = [one for callback in mine for one in (callback, true_rate)]
        driven = keras.callbacks.CallbackList(
            [*mine, self.history], model=self.model
        )
        driven.on_train_begin()
        remembered.restore(self.callbacks, *remembers)
        self.model.stop_training = self.state.stopped
        for row in self.state.rows:
            logs = {name: row[name] for name in row if name != "epoch"}
            self.history.on_epoch_end(row["epoch"], logs)
        return driven

    def _train_epoch(self, driven, caught):
        config, count, now = self.config, len(self.images), self.state
        end = min(schedule.step_at(config, now.epoch + 1, count), self.last)
        driven.on_epoch_begin(now.epoch)
        # None are left where a signal came in an epoch's last call.
        batches = now.step < end and inputs.batches_of(
            config,
            self.images,
            self.sampler,
            range(now.step, end),
            self.strategy,
        )
        began = time.monotonic() - now.seconds
        while now.step < end:
            steps = range(now.step, self._next_stop(end))
            driven.on_train_batch_begin(steps[-1])
            stop = self._train_steps(batches, steps, bool(caught))
            now.seconds = time.monotonic() - began
            seen = now.step * config.batch_size
            places = {"seen": seen - now.epoch * count, "seen_in_all": seen}
            driven.on_train_batch_end(steps[-1], self._logs() | places)
            # A worker alone need not wait for what the next call exchanges;
            # several exchange it here where no call follows.
            if self.part[1] == 1 or now.step == end:
                stop = stop or self._asked(caught)
            if stop:
                self._save()
                self._end(caught)
            if now.step < end and now.step % config.checkpoint_steps == 0:
                self._save()
        self._end_epoch(driven)
        if self._asked(caught):
            self._end(caught)

    def _asked(self, caught):
        """Whether a signal has asked any worker to stop."""
        asked = [float(bool(caught))]
        return bool(distribution.sum_over_workers(self.strategy, asked)[0])

    def _train_steps(self, batches, steps, stop):
        """Trains some steps; returns whether any worker wants to stop."""
        shape = schedule.rates(self.config, steps, len(self.images))
        optimizer = self.model.optimizer
        # What callbacks change is the highest rate.
        rates = shape * float(
            keras.ops.convert_to_numpy(optimizer.learning_rate)
        )
        phase = [name for start, name in self.phases if start <= steps[0]][-1]
        try:
            rows, stop = self.steps.run(batches, steps, phase, rates, stop)
        except self.unreadable:
            # Batches are read ahead of their steps.
            size = self.config.batch_size
            places = steps[0] * size, (steps[-1] + 9) * size
            inputs.check_readable(self.images, self.sampler.numbers(*places))
            raise
        bad = np.flatnonzero(~np.isfinite(rows[:, 0]))
        if len(bad):
            self._not_finite(f"The loss is {rows[bad[0], 0]}", steps[bad[0]])
        now = self.state
        now.sums = (now.sums + rows.astype("float64").sum(axis=0)).tolist()
        now.step, now.rate = steps[-1] + 1, float(rates[-1])
        optimizer.iterations.assign(now.step)
        return stop

    def _next_stop(self, end):
        """The step at which to look up: a call's last, or one that matters."""
        step, every = self.state.step, self.config.checkpoint_steps
        stops = [
            end,
            step + self.config.steps_per_call,
            (step // every + 1) * every,
            *(start for start, _ in self.phases if start > step),
        ]
        return min(stops)

    def _end_epoch(self, driven):
        now, logs = self.state, self._logs()
        self.steps.average_statistics()
        self._check_weights()
        every = self.config.validate_every
        logs["seconds"] = round(now.seconds, 1)
        # Callbacks that keep weights keep those that were validated.
        with self.steps.averaged():
            if (now.epoch + 1) % every == 0 or now.step == self.last:
                logs |= self._validate(driven)
            driven.on_epoch_end(now.epoch, logs)
        numbers = {name: float(value) for name, value in logs.items()}
        now.rows.append({"epoch": now.epoch, **numbers})
        now.epoch += 1
        now.sums, now.seconds = [0.0] * 3, 0.0
        now.stopped = bool(self.model.stop_training)
        self._save()
        if self.part[0] == 0:
            run_folder.write_history(self.folder, now.rows)

    def _logs(self):
        now = self.state
        begun = schedule.step_at(self.config, now.epoch, len(self.images))
        images = (now.step - begun) * self.config.batch_size
        loss, top1, top5 = now.sums
        return {
            "loss": loss / (now.step - begun),
            "top1": top1 / images,
            "top5": top5 / images,
            "learning_rate": now.rate,
        }

    def _validate(self, driven):
        driven.on_test_begin()
        result = self._evaluate()
        logs = {"loss": result.loss, "top1": result.top1, "top5": result.top5}
        driven.on_test_end(logs)
        return {f"val_{name}": value for name, value in logs.items()}

    def _evaluate(self):
        config = self.config
        size = (config.image_size, config.image_size)
        share = config.batch_size // self.strategy.num_replicas_in_sync
        return self.evaluator(
            self.validation,
            lambda image: center_crop(image, size, config.validation_crop)[
                None
            ],
            # As many as fit in training, and not more than pays.
            min(128, math.ceil(share / config.accumulation)),
        )

    def _check_weights(self):
        for variable in self.model.variables:
            values = keras.ops.convert_to_numpy(variable)
            if not np.isfinite(values).all():
                what = f"The weights of {variable.path} are not finite"
                self._not_finite(what, self.state.step - 1)

    def _not_finite(self, what, step):
        size = self.config.batch_size
        names = [
            self.images.describe(int(number))
            for number in self.sampler.numbers(step * size, (step + 1) * size)
        ]
        if self.part[0] == 0:
            run_folder.write_text(
                self.folder / "not_finite.txt",
                "\n".join([f"step {step}", *names]),
            )
        there = checkpoints.find(self.folder / run_folder.CHECKPOINTS)
        raise run_folder.UnrecoverableError(
            f"{what} after step {step} (epoch {self.state.epoch + 1}, rate "
            f"{self.config.learning_rate:g} at its highest); its batch is "
            f"{', '.join(names[:3])}, … (all in not_finite.txt). The last "
            f"checkpoint, {there[0].name if there else 'none'}, is from before "
            "it. Take a lower learning rate, a warm-up or clip_norm, in "
            "another folder."
        )

    def _save(self):
        if self.state.step:
            self.steps.average_statistics()
        self._check_weights()
        if self.part[0] == 0:
            state.save(
                self.folder,
                self.state,
                self.steps,
                self.callbacks,
                self.settings,
            )

    def _end(self, caught):
        """Ends the run as the signal of this or another worker asked."""
        if signal.SIGINT in caught:
            raise KeyboardInterrupt
        raise Preempted(
            f"Stopped by SIGTERM at step {self.state.step} of {self.last}, and "
            f"saved in {self.folder}. The same command goes on from there."
        )

    def _finish(self, driven):
        self.steps.freeze("all")
        self.steps.take_averages()
        # Which may bring back the weights of the best epoch.
        driven.on_train_end(self.state.rows[-1])
        result = self._evaluate()
        self.model.card.measured = {
            "top1": result.top1,
            "top5": result.top5,
            "dataset": self.validation.name,
            "images": result.images,
        }
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                # For several devices, and refused by other backends.
                layer.synchronized = False
        if self.part[0] == 0:
            write_result(self.config, self.model)
