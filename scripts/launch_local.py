#!/usr/bin/env python3
"""Tries a training on several workers, all of them on this machine.

    ./scripts/launch_local.py --workers 2 --config configs/NAME.py

Everything after --workers is for `python -m keras_senet train`, which runs once
a worker, with the TF_CONFIG that a cluster would set. What the first worker
prints is shown, what the others print is kept in `runs/worker-N.log`.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

# Seconds in which workers notice a lost one, and save what they have.
PATIENCE = 90


def free_ports(count):
    """Numbers of ports on which nobody listens."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start(number, addresses, arguments, log):
    """A worker's process."""
    task = {"type": "worker", "index": number}
    cluster = {"worker": addresses}
    return subprocess.Popen(
        [sys.executable, "-m", "keras_senet", "train", *arguments],
        env={
            **os.environ,
            "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
        },
        stdout=log,
        stderr=log,
        # Ctrl-C reaches them once, by `forward`; twice would be at once.
        process_group=0,
    )


def wait(workers):
    """Their statuses, as a shell has them: 128 + n of one ended by signal n.

    Those that a lost one leaves waiting are ended.
    """
    deadline = None
    while any(worker.poll() is None for worker in workers):
        time.sleep(0.1)
        lost = any(worker.returncode for worker in workers)
        if deadline is None and lost:
            deadline = time.monotonic() + PATIENCE
        if lost and time.monotonic() > deadline:
            for worker in workers:
                worker.kill()
    codes = [worker.returncode for worker in workers]
    return [128 - code if code < 0 else code for code in codes]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument(
        "--logs",
        type=Path,
        default=Path("runs"),
        help="folder for what the other workers print (default: runs)",
    )
    args, arguments = parser.parse_known_args()
    if args.workers < 2:
        parser.error(f"--workers is {args.workers}. Allowed: at least 2.")
    args.logs.mkdir(parents=True, exist_ok=True)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(args.workers)]
    logs = [None] + [
        (args.logs / f"worker-{number}.log").open("w")
        for number in range(1, args.workers)
    ]
    workers = [
        start(number, addresses, arguments, log)
        for number, log in enumerate(logs)
    ]

    def forward(number, _frame):
        # A closed terminal ends a run as a scheduler does.
        if number == signal.SIGHUP:
            number = signal.SIGTERM
        for worker in workers:
            worker.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, forward)
    statuses = wait(workers)
    for number, status in enumerate(statuses):
        if status:
            print(f"worker {number} ended with status {status}", end="")
            print(f"; see {logs[number].name}" if number else "")
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
