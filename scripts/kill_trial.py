#!/usr/bin/env python3
"""Kills a small training at random moments, and writes results/kills.csv.

    python scripts/kill_trial.py --kills 20

SE-ResNet-20 learns noise, with everything that a run may have to remember, and
saves after every step. SIGKILL comes in turn at any moment of the start, while
a checkpoint is written, and at any moment of the steps. The same command goes
on each time. In the end the weights and all else in the last checkpoint must be
those of a run that was never killed, bit for bit, and so must the history.
"""

import argparse
import csv
import datetime
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from benchmark import machine_name
from marks import ROOT, write_csv
from PIL import Image

from keras_senet.training import checkpoints, run_folder

RESULT = ROOT / "results" / "kills.csv"
FIELDS = {
    "model": "se_resnet20",
    "options": "{'dropout': 0.2}",
    "image-size": 32,
    "validation-crop": 1.0,
    "batch-size": 16,
    "learning-rate": 0.01,
    "checkpoint-steps": 1,
    "steps-per-call": 1,
    "ema": 0.99,
    "mixup": 0.2,
    "rand-augment": 9,
    "schedule": "plateau",
    "patience": 1,
    "accumulation": 2,
    "clip-norm": 1.0,
}
# In turn; the last comes within so many seconds after a step.
MOMENTS = ("start", "write", "step")
STEPS = 1.0


def write_images(folder):
    """Noise in three classes; nine steps an epoch."""
    noise = np.random.default_rng(0)
    for part, count in (("train", 48), ("val", 3)):
        for name in "abc":
            place = folder / part / name
            place.mkdir(parents=True)
            for number in range(count):
                pixels = noise.integers(0, 256, (36, 32, 3)).astype("uint8")
                Image.fromarray(pixels).save(place / f"{number}.png")


def start(words, log):
    """The run, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "keras_senet", "train", *words],
        cwd=ROOT,
        stdout=log,
        stderr=log,
        process_group=0,
    )


def finish(process, log):
    """Waits for the end of a run, which must be a good one."""
    if process.wait():
        fail(process, log)


def fail(process, log):
    """Ends the trial, since a run has ended otherwise than it should."""
    log.seek(0)
    sys.exit(f"The run ended with {process.returncode}:\n{log.read()}")


def last_step(out):
    """The step of the last checkpoint, which must be whole; -1 for none."""
    found = checkpoints.find(out / run_folder.CHECKPOINTS)
    if not found:
        return -1
    checkpoints.read(found[0])
    return checkpoints.step_of(found[0])


def wait_for(condition, process, log):
    """Waits closely until something holds of a run that goes on."""
    while not condition():
        if process.poll() is not None:
            fail(process, log)
        time.sleep(0.001)


def kill(process, log, out, moment, wait):
    """Kills a run at a moment; a row about it."""
    began = time.monotonic()
    folder = out / run_folder.CHECKPOINTS
    partial = folder / "checkpoint.partial"
    if moment == "start":
        time.sleep(wait)
    else:
        before = checkpoints.find(folder)
        wait_for(lambda: checkpoints.find(folder) != before, process, log)
    if moment == "step":
        time.sleep(wait)
    if moment == "write":
        wait_for(partial.exists, process, log)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return {
        "moment": moment,
        "seconds_after_start": round(time.monotonic() - began, 2),
        "half_a_checkpoint_left": partial.exists(),
        "step_found": last_step(out),
    }


def result_of(out):
    """All that a run has in the end, but for how long its epochs took."""
    with (out / run_folder.HISTORY).open(newline="") as file:
        rows = [{**row, "seconds": None} for row in csv.DictReader(file)]
    found = checkpoints.find(out / run_folder.CHECKPOINTS)
    arrays, facts = checkpoints.read(found[0])
    rows.append(facts["callbacks"])
    model = keras.models.load_model(out / run_folder.MODEL)
    kept = enumerate(model.get_weights())
    return rows, arrays | {f"kept/{number}": array for number, array in kept}


def are_equal(one, other):
    """Whether two runs have the same history, and the same bits."""
    (rows, arrays), (others, theirs) = one, other
    return (
        rows == others
        and arrays.keys() == theirs.keys()
        and all(a.tobytes() == theirs[k].tobytes() for k, a in arrays.items())
    )


def try_kills(kills, seed, folder):
    """The rows about all kills, and whether they changed nothing."""
    write_images(folder / "images")
    # So many that the last kill finds it training.
    fields = FIELDS | {"epochs": max(3, kills), "seed": seed}
    fields["data"] = f"folder:{folder / 'images'}"
    words = [str(w) for name, v in fields.items() for w in (f"--{name}", v)]
    words.append("--out")
    whole, killed = folder / "whole", folder / "killed"
    chance, rows = random.Random(seed), []
    with tempfile.TemporaryFile("w+") as log:
        began, process = time.monotonic(), start([*words, whole], log)
        try:
            steps = whole / run_folder.CHECKPOINTS
            wait_for(lambda: len(checkpoints.find(steps)) > 1, process, log)
            longest = {"start": time.monotonic() - began, "step": STEPS}
            finish(process, log)
            for number in range(kills):
                process = start([*words, killed], log)
                moment = MOMENTS[number % len(MOMENTS)]
                wait = chance.uniform(0, longest.get(moment, 0))
                row = kill(process, log, killed, moment, wait)
                rows.append({"kill": number + 1, **row})
                print(*rows[-1].values(), flush=True)
            process = start([*words, killed], log)
            finish(process, log)
        finally:
            # Which Ctrl-C does not reach.
            process.kill()
    return rows, are_equal(result_of(whole), result_of(killed))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--result", type=Path, default=RESULT, metavar="FILE")
    args = parser.parse_args()
    if args.kills < 1:
        parser.error(f"--kills is {args.kills}. Allowed: at least 1.")
    with tempfile.TemporaryDirectory() as folder:
        rows, equal = try_kills(args.kills, args.seed, Path(folder))
    facts = {
        "equal_in_the_end": equal,
        "date": datetime.date.today().isoformat(),
        "machine": machine_name(),
        "keras": keras.__version__,
        "command": f"python scripts/kill_trial.py --kills {args.kills} "
        f"--seed {args.seed}",
    }
    write_csv(args.result, [row | facts for row in rows])
    print("equal" if equal else "NOT EQUAL")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
