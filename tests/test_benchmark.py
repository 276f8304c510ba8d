"""The benchmark's command line: what is wrong is said before it measures."""

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path

import benchmark
import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "benchmark.py"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["nothing to do"]),
        (["--work", "train", "--models", "se_resnet99"], ["'se_resnet99'"]),
        (["--work", "train,play"], ["'play'", "train, infer"]),
        (["--work", "train", "--peers", "timm,foo"], ["'foo'", "timm, keras"]),
        (["--work", "train", "--rounds", "0"], ["--rounds is 0"]),
        (["--work", "train", "--warmup", "-1"], ["--warmup is -1"]),
        (["--work", "train", "--batch", "8", "0"], ["--batch"]),
        (["--work", "train", "--size", "0"], ["--size"]),
        (["--work", "augment"], ["augment reads photos", "--photos FOLDER"]),
        (["--work", "input", "--photos", "nowhere"], ["'nowhere'"]),
    ],
)
def test_wrong_arguments_end_it(arguments, words):
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        capture_output=True,
        text=True,
        env={},
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_network_has_its_own_size_and_a_peer_without_it_says_so(tmp_path):
    command = ["--work", "build", "--models", "se_resnet20", "--out"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *command, tmp_path / "out.csv"]
        + ["--rounds", "1", "--times", "1", "--warmup", "0"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "build se_resnet20, batch 8, 32 px" in done.stdout
    assert "keras.applications has no resnet20" in done.stdout
    [_, row] = (tmp_path / "out.csv").read_text().splitlines()
    assert row.startswith("build,se_resnet20,8,32,")


def test_the_commands_of_the_readme_are_understood(tmp_path):
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    found = re.findall(r"^python scripts/benchmark\.py (.*)$", text, re.M)
    assert len(found) > 5
    measured = set()
    for line in found:
        words = shlex.split(line.replace("FOLDER", str(tmp_path)))
        args = benchmark.arguments(words)
        measured |= {
            (work, model, batch)
            for work in args.work
            for model in args.models
            for batch in args.batch
        }
    # They make every row of the table.
    for _, work, model, batch, *_ in benchmark.TARGETS:
        assert (work, model, batch) in measured


@pytest.mark.slow
def test_a_profile_has_the_operations_of_a_step(tmp_path):
    command = [ROOT / "scripts/profile_step.py", "--model", "se_resnet18"]
    subprocess.run(
        [sys.executable, *command, "--size", "64", "--batch", "2"]
        + ["--out", tmp_path],
        check=True,
    )
    with (tmp_path / "profile_se_resnet18.csv").open(newline="") as file:
        rows = {row["kind"]: row for row in csv.DictReader(file)}
    # As many as the network has convolutions, and one less: the image's.
    assert rows["Conv2DBackpropFilter"]["calls"] == "20"
    assert rows["Conv2DBackpropInput"]["calls"] == "19"
