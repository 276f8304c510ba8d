#!/usr/bin/env python3
"""Writes results/profile_MODEL.csv: what a training step's time goes to.

    python scripts/profile_step.py --model se_resnet50 --batch 8

TensorFlow's profiler sees every operation; those of one kind are added up, for
the network and for its plain twin. Times are of threads: two that work beside
each other count twice. Nothing else should run on the machine meanwhile.
"""

import argparse
import collections
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from benchmark import machine_name
from contenders import train_keras_senet
from marks import ROOT, write_csv

from keras_senet.architectures.table import NETWORKS, plain_twin

STEPS = 5
# Whose operations compute nothing that a person would ask for.
FEW = 0.002


def profile(model, batch, size, threads):
    """Milliseconds of threads and calls a step, by kind of operation."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    step = train_keras_senet(
        {"model": model, "batch": batch, "size": size, "threads": threads}
    )
    for _ in range(3):
        step()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(STEPS):
                step()
        [path] = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    milliseconds, calls = collections.Counter(), collections.Counter()
    for plane in space.planes:
        names = plane.event_metadata
        for line in plane.lines:
            for event in line.events:
                # The operations of the graph are called NODE:KIND.
                found = re.fullmatch(
                    r"[\w./>-]+:(\w+)", names[event.metadata_id].name
                )
                if found:
                    kind = found[1].removeprefix("_MklNative")
                    milliseconds[kind] += event.duration_ps / 1e9 / STEPS
                    calls[kind] += 1 / STEPS
    return milliseconds, calls


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="se_resnet50")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    args = parser.parse_args()
    twin = plain_twin(NETWORKS[args.model]).name
    case = args.batch, args.size, args.threads
    ours, calls = profile(args.model, *case)
    plain, _ = profile(twin, *case)
    total = sum(ours.values())
    rows = [
        {
            "kind": kind,
            "milliseconds": f"{time:.1f}",
            "share": f"{time / total:.3f}",
            "calls": round(calls[kind]),
            "milliseconds_without_se": f"{plain[kind]:.1f}",
            "batch": args.batch,
            "size": args.size,
            "threads": args.threads,
            "machine": machine_name(),
            "command": shlex.join(["python", *sys.argv]),
        }
        for kind, time in ours.most_common()
        if time > FEW * total
    ]
    write_csv(args.out / f"profile_{args.model}.csv", rows)
    for row in rows:
        print(*list(row.values())[:5], sep="\t")


if __name__ == "__main__":
    main()
