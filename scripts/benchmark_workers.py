#!/usr/bin/env python3
"""Writes results/workers.csv and a table: images a second, one worker and two.

    python scripts/benchmark_workers.py --model se_resnet20 --rounds 3

Every worker has a core of its own. One trains alone with half of the images of
a step, two train together on whole steps, in turn; the gradients go over
loopback. Counted is the second epoch, in which nothing is compiled. Nothing
else should run on the machine.
"""

import argparse
import csv
import datetime
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from launch_local import free_ports, start
from marks import ROOT, markdown, put_between_marks, write_csv
from PIL import Image

RESULT = ROOT / "results" / "workers.csv"


def write_images(folder, count, size):
    """Noise in two classes: what the images show costs nothing."""
    random = np.random.default_rng(0)
    for part, images in (("train", count), ("val", 2)):
        for number in range(images):
            path = folder / part / str(number % 2) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 255, (size, size, 3), "uint8")
            Image.fromarray(pixels).save(path)


def images_per_second(args, folder, workers):
    """Trains two epochs with so many workers, each on its own core."""
    out = folder / f"run-{workers}-{len(list(folder.iterdir()))}"
    words = [
        *("--model", args.model, "--data", f"folder:{folder / 'images'}"),
        *("--out", str(out), "--image-size", str(args.size)),
        *("--batch-size", str(args.batch * workers), "--epochs", "2"),
        *("--threads", "1"),
    ]
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    # One worker is no cluster.
    names = addresses if workers > 1 else []
    with tempfile.TemporaryFile() as log:
        processes = [
            start(number, names, words, log) for number in range(workers)
        ]
        cores = sorted(os.sched_getaffinity(0))
        for process, core in zip(processes, cores, strict=False):
            os.sched_setaffinity(process.pid, {core})
        if any(process.wait() for process in processes):
            log.seek(0)
            sys.exit(log.read().decode())
    with (out / "history.csv").open(newline="") as file:
        *_, last = csv.DictReader(file)
    return args.images / float(last["seconds"])


def table(rows):
    """The table in docs/training.md."""
    header = ["workers", "images/s", "lowest to highest", "to one worker"]
    return markdown(
        header,
        [
            [
                row["workers"],
                row["images_per_second"],
                f"{row['low']} to {row['high']}",
                row["to_one_worker"],
            ]
            for row in rows
        ],
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="se_resnet20")
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--batch", type=int, default=64, help="per worker")
    parser.add_argument("--images", type=int, default=6400)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    found = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "images", args.images, args.size)
        for _ in range(args.rounds):
            for workers, values in found.items():
                values.append(images_per_second(args, folder, workers))
                print(f"{workers} workers: {values[-1]:.0f} images/s")
    versions = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    alone = statistics.median(found[1])
    rows = [
        {
            "model": args.model,
            "size": args.size,
            "images_per_worker": args.batch,
            "workers": workers,
            "images_per_second": f"{statistics.median(values):.0f}",
            "low": f"{min(values):.0f}",
            "high": f"{max(values):.0f}",
            "to_one_worker": f"{statistics.median(values) / alone:.2f}",
            "rounds": args.rounds,
            "date": datetime.date.today().isoformat(),
            "versions": " ".join(
                word
                for word in versions
                if word.startswith(("keras==", "tensorflow=="))
            ),
            "command": "python scripts/benchmark_workers.py "
            + " ".join(sys.argv[1:]),
        }
        for workers, values in found.items()
    ]
    write_csv(RESULT, rows)
    put_between_marks(ROOT / "docs" / "training.md", "workers", table(rows))


if __name__ == "__main__":
    main()
