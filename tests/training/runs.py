"""Training as processes: what a person, a scheduler and a power cut start and
end."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import keras_senet  # noqa: F401  (what `load_model` needs)

COLOURS = ("red", "green", "blue")


def write_photos(folder, train=48, validation=9, size=(36, 32)):
    """A folder of three classes of noisy photos, of a colour each."""
    random = np.random.default_rng(0)
    for part, count in (("train", train), ("val", validation)):
        for channel, name in enumerate(COLOURS):
            place = Path(folder) / part / name
            place.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 200, (*size, 3)).astype("uint8")
                pixels[..., channel] += 40
                Image.fromarray(pixels).save(place / f"{number:03d}.jpg")
    return f"folder:{folder}"


def command(data, out, **fields):
    """The words that start a run on small photos."""
    fields = {
        "model": "se_resnet20",
        "data": data,
        "out": out,
        "image_size": 32,
        "validation_crop": 1.0,
        "batch_size": 16,
        "epochs": 2,
        "learning_rate": 0.01,
        **fields,
    }
    words = [sys.executable, "-m", "keras_senet", "train"]
    for name, value in fields.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def start(words, **keywords):
    """A process in a session of its own, whose output is kept."""
    environment = {**os.environ, **keywords.pop("env", {})}
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
        **keywords,
    )


def finish(process, timeout=600):
    """What a process printed, once it has ended well."""
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, output
    return output


def checkpointed(out):
    """Whether a run has a checkpoint of a step that it trained."""
    return newest(out) > "step-0000000000z"


def wait_for(condition, timeout=300):
    """Waits until a condition holds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def newest(out):
    """The name of the last checkpoint."""
    names = [p.name for p in (Path(out) / "checkpoints").glob("step-*")]
    return max(names, default="")


def kill_and_rerun(words, out, moments):
    """Runs a command, killed at moments (seconds after it got further)."""
    for moment in moments:
        before = max(newest(out), "step-0000000000z")
        process = start(words)
        wait_for(lambda b=before: newest(out) > b)
        time.sleep(moment)
        assert process.poll() is None, "it has ended before it was killed"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return finish(start(words))


def weights(out):
    """The arrays of the trained network."""
    return keras.models.load_model(Path(out) / "model.keras").get_weights()


def history(out):
    """The rows of history.csv, but for how long the epochs took."""
    with (Path(out) / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
