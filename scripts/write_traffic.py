#!/usr/bin/env python3
"""Writes results/traffic.csv and the table in docs/training.md.

    python scripts/write_traffic.py
    python scripts/write_traffic.py --teraflops 60 --images 128

What each device exchanges with the others in a step of training, and the
bandwidth with which that takes a tenth of the step. Nothing of it is measured:
the traffic is that of a ring (2 (N - 1) / N times the bytes of the gradients),
the step is what its operations take at the rate given.
"""

import argparse
import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from marks import ROOT, markdown, put_between_marks, write_csv

from keras_senet.analysis.cost import table as complexity

RESULT = ROOT / "results" / "traffic.csv"
HEADER = [
    "network",
    "devices",
    "each sends a step",
    "a step",
    "bandwidth for a tenth of it",
]
NETWORKS = ("se_resnet50", "senet154")
DEVICES = (8, 64, 512)
# Two operations a multiply-add, forwards once and backwards twice.
OPERATIONS = 2 * 3
GRADIENT_BYTES = 4
# The part of a step that the exchange may take.
SHARE = 0.1


@dataclasses.dataclass(frozen=True)
class Traffic:
    """What a device exchanges in a step, and the assumptions behind it."""

    network: str
    devices: int
    parameters: int
    sent_bytes: int
    images_per_device: int
    teraflops: float
    step_seconds: float
    gigabits_per_second: float


def training_seconds(network, images, teraflops):
    """Seconds that a device takes to train on so many images."""
    operations = OPERATIONS * complexity()[network]["multiply_adds"] * images
    return operations / (teraflops * 1e12)


def traffic(network, devices, images, teraflops):
    """A row of the table."""
    parameters = complexity()[network]["parameters"]
    # In a ring every device sends its part of the sum on to all others, and
    # then the whole sum.
    sent = 2 * (devices - 1) * parameters * GRADIENT_BYTES // devices
    step = training_seconds(network, images, teraflops)
    return Traffic(
        network,
        devices,
        parameters,
        sent,
        images,
        teraflops,
        round(step, 4),
        round(sent * 8 / (SHARE * step) / 1e9, 1),
    )


def cells(row):
    """What the table has of a row."""
    return [
        f"`{row.network}`",
        row.devices,
        f"{row.sent_bytes / 1e6:.0f} MB",
        f"{row.step_seconds * 1e3:.0f} ms",
        f"{row.gigabits_per_second:.0f} Gbit/s",
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--images",
        type=int,
        default=32,
        metavar="N",
        help="images of a step on each device (default: %(default)s)",
    )
    parser.add_argument(
        "--teraflops",
        type=float,
        default=20.0,
        metavar="RATE",
        help="sustained rate of a device in TFLOP/s (default: %(default)g)",
    )
    args = parser.parse_args()
    rows = [
        traffic(network, devices, args.images, args.teraflops)
        for network in NETWORKS
        for devices in DEVICES
    ]
    write_csv(RESULT, map(vars, rows))
    table = markdown(HEADER, list(map(cells, rows)))
    put_between_marks(ROOT / "docs" / "training.md", "traffic", table)


if __name__ == "__main__":
    main()
