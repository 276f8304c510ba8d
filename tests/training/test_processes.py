"""Runs as processes: killed, preempted, on several workers."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import launch_local
import numpy as np
import pytest
from launch_local import free_ports, start as start_worker
from runs import (
    checkpointed,
    command,
    finish,
    history,
    kill_and_rerun,
    newest,
    start,
    wait_for,
    weights,
    write_photos,
)

from keras_senet.training import checkpoints

pytestmark = pytest.mark.slow

# Everything that a run may have to remember.
EVERYTHING = {
    "epochs": 4,
    "checkpoint_steps": 3,
    "steps_per_call": 1,
    "ema": 0.99,
    "mixup": 0.2,
    "rand_augment": 9,
    "schedule": "plateau",
    "patience": 1,
    "accumulation": 2,
    "clip_norm": 1.0,
}


# Eight epochs of one step each, so that the history has every loss.
EIGHT_STEPS = {
    "image_size": 16,
    "batch_size": 144,
    "epochs": 8,
    "synchronized": True,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="module")
def losses(data, tmp_path_factory):
    """Those of the eight steps in one process that nobody killed."""
    out = tmp_path_factory.mktemp("one") / "run"
    finish(start(command(data, out, **EIGHT_STEPS)))
    return losses_of(out)


def losses_of(out):
    found = [float(row["loss"]) for row in history(out)]
    assert len(found) == EIGHT_STEPS["epochs"]
    return found


def launch(words, count, folder):
    """Several workers on this machine, each with a file of what it printed."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    logs = [folder / f"worker{number}.log" for number in range(count)]
    # After `python -m keras_senet train`.
    arguments = words[4:]
    workers = [
        start_worker(number, addresses, arguments, log.open("w"))
        for number, log in enumerate(logs)
    ]
    return workers, logs


def kill_all(workers):
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.wait()


def finish_all(workers, logs):
    for worker, log in zip(workers, logs, strict=True):
        assert worker.wait(600) == 0, log.read_text()


def assert_equal(one, other):
    assert history(one) == history(other)
    for ours, theirs in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_kills_at_random_moments_change_nothing(data, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(command(data, whole, **EVERYTHING)))
    moments = [random.Random(k).uniform(0, 0.5) for k in range(2)]
    words = command(data, killed, **EVERYTHING)
    output = kill_and_rerun(words, killed, moments)
    assert "going on from step" in output
    assert_equal(killed, whole)


CALLS = {"epochs": 3, "steps_per_call": 1, "checkpoint_steps": 1}


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    """The folder of a run that had no signal."""
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    finish(start(command(data, out, **CALLS)))
    return out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_run_goes_on(
    data, tmp_path, uninterrupted, number
):
    out = tmp_path / "run"
    process = start(command(data, out, **CALLS))
    wait_for(lambda: checkpointed(out))
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 128 + number, output
    assert "saving a checkpoint" in output
    output = finish(start(command(data, out, **CALLS)))
    assert "going on from step" in output
    assert_equal(out, uninterrupted)


def test_ctrl_c_saves_on_all_workers_of_one_machine(data, tmp_path):
    """A terminal sends it to all processes of the launcher's group."""
    out = tmp_path / "run"
    fields = {"epochs": 40, "checkpoint_steps": 2, "steps_per_call": 1}
    words = [sys.executable, launch_local.__file__, "--logs", str(tmp_path)]
    process = start(words + command(data, out, **fields)[4:])
    wait_for(lambda: checkpointed(out))
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode in (130, 143), output
    assert "SIGINT: saving a checkpoint" in output


def test_a_closed_terminal_saves_as_a_scheduler_does(data, tmp_path):
    out = tmp_path / "run"
    fields = {"epochs": 40, "checkpoint_steps": 100, "steps_per_call": 1}
    words = [sys.executable, launch_local.__file__, "--logs", str(tmp_path)]
    process = start(words + command(data, out, **fields)[4:])
    wait_for(lambda: checkpointed(out))
    process.send_signal(signal.SIGHUP)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert "Stopped by SIGTERM at step" in output


def test_the_status_of_a_killed_worker_is_a_shells():
    workers = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    for worker, number in zip(
        workers, (signal.SIGKILL, signal.SIGTERM), strict=True
    ):
        worker.send_signal(number)
    assert launch_local.wait(workers) == [137, 143]


def test_two_processes_do_not_share_a_folder(data, tmp_path):
    words = command(data, tmp_path / "run", epochs=50, checkpoint_steps=1)
    first = start(words)
    wait_for(lambda: checkpointed(tmp_path / "run"))
    second = subprocess.run(words, capture_output=True, text=True, check=False)
    first.kill()
    first.communicate()
    assert second.returncode == 1
    assert "Another process trains in" in second.stderr


def test_four_workers_have_the_losses_of_one_process(data, losses, tmp_path):
    """Two have, too, where all are killed (below)."""
    out = tmp_path / "run"
    finish_all(*launch(command(data, out, **EIGHT_STEPS), 4, tmp_path))
    np.testing.assert_allclose(losses_of(out), losses, atol=1e-5, rtol=0)


def test_workers_that_were_given_other_configs_stop(data, tmp_path):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    logs = [tmp_path / f"worker{number}.log" for number in range(2)]
    workers = []
    for number, log in enumerate(logs):
        words = command(data, tmp_path / "run", seed=number)[4:]
        workers.append(start_worker(number, addresses, words, log.open("w")))
    for worker, log in zip(workers, logs, strict=True):
        assert worker.wait(120) == 2, log.read_text()
        assert "Worker 1 was given another config" in log.read_text()


def test_workers_that_do_not_share_a_folder_stop(data, tmp_path):
    """Where each has one of its own, from an earlier run too."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    logs = [tmp_path / f"worker{number}.log" for number in range(2)]
    (tmp_path / "1" / "checkpoints").mkdir(parents=True)
    workers = []
    for number, log in enumerate(logs):
        words = command(data, tmp_path / str(number))[4:]
        workers.append(start_worker(number, addresses, words, log.open("w")))
    for worker, log in zip(workers, logs, strict=True):
        assert worker.wait(120) == 2, log.read_text()
        assert "Worker 1 does not see what worker 0 writes" in log.read_text()
    assert not newest(tmp_path / "0")
    assert not list(tmp_path.glob("0/shared-*"))


def test_a_worker_that_can_not_start_says_so(data, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        addresses = [f"127.0.0.1:{taken.getsockname()[1]}", "127.0.0.1:9"]
        log = tmp_path / "worker.log"
        words = command(data, tmp_path / "run")[4:]
        worker = start_worker(0, addresses, words, log.open("w"))
        assert worker.wait(120) == 1, log.read_text()
    text = log.read_text()
    assert addresses[0] in text
    assert "don't come together" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("count", [1, 2])
def test_workers_that_were_all_killed_go_on(data, losses, tmp_path, count):
    out = tmp_path / "run"
    words = command(data, out, **EIGHT_STEPS)
    workers, logs = launch(words, 2, tmp_path)
    wait_for(lambda: newest(out) > "step-0000000002z")
    kill_all(workers)
    done = checkpoints.step_of(Path(newest(out)))
    assert 3 <= done < 8
    if count == 1:
        output = finish(start(words))
    else:
        workers, logs = launch(words, count, tmp_path)
        finish_all(workers, logs)
        output = logs[0].read_text()
    assert f"going on from step {done} of 8" in output
    np.testing.assert_allclose(losses_of(out), losses, atol=1e-5, rtol=0)


# The first one is the one that the others ask.
@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_worker_is_noticed_and_fewer_go_on(data, tmp_path, lost):
    out = tmp_path / "run"
    fields = {"epochs": 40, "checkpoint_steps": 2, "steps_per_call": 1}
    workers, logs = launch(command(data, out, **fields), 2, tmp_path)
    wait_for(lambda: checkpointed(out))
    workers[lost].kill()
    text = logs[1 - lost].read_text
    assert workers[1 - lost].wait(60) == 1, text()
    assert "Another worker was lost" in text()
    before = newest(out)
    # One process at the same batch goes on with the same run.
    process = start(command(data, out, **fields))
    wait_for(lambda: newest(out) > before)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 143, output
    assert "going on from step" in output


def test_a_preempted_worker_ends_all_of_them(data, tmp_path):
    out = tmp_path / "run"
    fields = {"epochs": 40, "checkpoint_steps": 2, "steps_per_call": 1}
    workers, logs = launch(command(data, out, **fields), 2, tmp_path)
    wait_for(lambda: checkpointed(out))
    workers[1].terminate()
    for worker, log in zip(workers, logs, strict=True):
        assert worker.wait(300) == 143, log.read_text()
        assert "Stopped by SIGTERM at step" in log.read_text()


@pytest.mark.parametrize("kind", ["synchronized", "local"])
def test_two_devices(tmp_path, kind):
    """Both end with the same statistics; synchronized, with those of one."""
    losses = {}
    for count in ("1", "2"):
        path = Path(__file__).with_name("on_devices.py")
        words = [sys.executable, path, tmp_path / count, kind, count]
        output = finish(start(list(map(str, words))))
        (line,) = re.findall("^losses (.*)$", output, re.MULTILINE)
        losses[count] = [float(word) for word in line.split()]
    difference = np.abs(np.subtract(losses["1"], losses["2"])).max()
    assert (difference < 1e-6) == (kind == "synchronized")


def test_devices_drop_other_places():
    """Two devices that are given the same images have one's loss without
    dropout; with it another, the same every time."""
    path = Path(__file__).with_name("dropout_on_devices.py")
    output = finish(start([sys.executable, str(path)]))
    found = json.loads(output.splitlines()[-1])
    plain = found["two 0.0"]["losses"]
    assert plain == pytest.approx(found["one 0.0"]["losses"], rel=1e-5)
    one, two = found["one 0.5"], found["two 0.5"]
    assert two["losses"] != pytest.approx(one["losses"], rel=1e-3)
    assert two == found["again 0.5"]
    # What a checkpoint has of them is all that there is.
    assert two["seeds"] == one["seeds"] * 2
