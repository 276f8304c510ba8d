"""What a run prints while it trains."""

import sys
import time

import keras

from keras_senet.commands.terminal import console

# Seconds between two lines where the output is no terminal.
PAUSE = 60


class Progress(keras.callbacks.Callback):
    """A bar of the epoch, images per second and the time left; a line an epoch.

    Args:
        count: number of training images.
        total: number of images of the whole run.
    """

    def __init__(self, count: int, total: int):
        super().__init__()
        self._count, self._total = count, total
        self._console = console(stderr=True)
        self._bar = None

    def on_epoch_begin(self, epoch, logs=None):
        from rich.progress import (
            BarColumn,
            Progress as Bar,
            TextColumn,
        )

        self._said = time.monotonic()
        self._first = None
        if sys.stderr.isatty():
            self._bar = Bar(
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(),
                TextColumn("{task.fields[facts]}"),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task(
                "", total=self._count, epoch=epoch + 1, facts=""
            )
            self._bar.start()

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        seen = logs["seen"]
        if self._first is None:
            # The first call compiles, and a run that goes on begins within.
            self._first = (now, seen)
            return
        speed = (seen - self._first[1]) / (now - self._first[0])
        left = (self._total - logs["seen_in_all"]) / speed if speed else 0
        facts = (
            f"loss {logs['loss']:.4f}  top-1 {logs['top1']:.1%}  top-5 "
            f"{logs['top5']:.1%}  rate {logs['learning_rate']:.4g}  "
            f"{speed:,.0f} images/s  {_clock(left)} left"
        )
        if self._bar:
            self._bar.update(self._task, completed=seen, facts=facts)
        elif now - self._said > PAUSE:
            self._said = now
            self._console.print(f"  {seen / self._count:.0%}  {facts}")

    def on_epoch_end(self, epoch, logs=None):
        self.close()
        words = [f"epoch {epoch + 1:>3}"]
        for name, label in (("", ""), ("val_", "validation ")):
            if f"{name}loss" in logs:
                words.append(
                    f"{label}loss {logs[f'{name}loss']:.4f} top-1 "
                    f"{logs[f'{name}top1']:.2%} top-5 "
                    f"{logs[f'{name}top5']:.2%}"
                )
        words.append(f"{logs['seconds']:.0f} s")
        # Without rich's colours for numbers, such as the 1 of top-1.
        self._console.print("  ".join(words), highlight=False)

    def close(self):
        """Takes the bar away."""
        if self._bar:
            self._bar.stop()
            self._bar = None


def _clock(seconds):
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
