"""The learning rate, and what is trained, from step to step."""

from fractions import Fraction

import keras
import numpy as np

from keras_senet.training.config import TrainConfig


def step_at(config: TrainConfig, epochs: float, count: int) -> int:
    """Returns the first step that begins after so many epochs.

    Args:
        config: the run's config.
        epochs: number of epochs.
        count: number of training images.

    Returns:
        Number of steps.
    """
    images = Fraction(epochs).limit_denominator(10**9) * count
    return int(-(-images // config.batch_size))


def rates(config: TrainConfig, steps: range, count: int) -> np.ndarray:
    """Returns the learning rates of steps, as parts of the highest.

    Args:
        config: the run's config.
        steps: numbers of the steps.
        count: number of training images.

    Returns:
        Array of numbers in [0, 1].
    """
    warmup = step_at(config, config.warmup_epochs, count)
    last = step_at(config, config.epochs, count)
    decay = _decay(config, max(1, last - warmup), count)
    return np.array(
        [
            (step + 1) / (warmup + 1)
            if step < warmup
            else float(decay(step - warmup))
            for step in steps
        ]
    )


def _decay(config, steps, count):
    schedules = keras.optimizers.schedules
    if config.schedule == "cosine":
        return schedules.CosineDecay(1.0, steps)
    if config.schedule == "step":
        warmup = step_at(config, config.warmup_epochs, count)
        epochs = config.decay_epochs
        if not isinstance(epochs, (tuple, list)):
            epochs = np.arange(epochs, config.epochs, epochs)
        drops = [
            step_at(config, float(epoch), count) for epoch in sorted(epochs)
        ]
        return lambda step: (
            config.decay_rate ** np.searchsorted(drops, step + warmup, "right")
        )
    # Plateaus are seen after validations, by a callback.
    return lambda step: 1.0


def phases(config: TrainConfig, count: int) -> list[tuple[int, str]]:
    """Returns what is trained from which step on.

    Args:
        config: the run's config.
        count: number of training images.

    Returns:
        Pairs of a step and a phase of `Steps.run`, in order.
    """
    last = step_at(config, config.epochs, count)
    found = [(0, "all")]
    if config.head_epochs:
        head = step_at(config, config.head_epochs, count)
        found = [(0, "head"), (head, "all")]
    if config.frozen_norm_epochs:
        thawed = config.epochs - config.frozen_norm_epochs
        start = step_at(config, max(0, thawed), count)
        found = [pair for pair in found if pair[0] < start]
        found.append((start, "frozen_norm"))
    return [pair for pair in found if pair[0] < last]
