"""The files of configs/, and what docs/ says about training."""

import csv
import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import write_cifar10
import write_traffic
import yaml

import keras_senet
from keras_senet.analysis.cost import table
from keras_senet.architectures.variants import keywords, variant
from keras_senet.preprocessing import resolve_normalization
from keras_senet.training import load_config, schedule

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.py"))
DOCS = ROOT / "docs"
SLURM = DOCS / "cluster" / "slurm.sbatch"
KUBERNETES = DOCS / "cluster" / "kubernetes.yaml"
PROGRAM = r"(?:train\.py|local\.py --workers \d+|keras_senet train) +"
# Training images and classes, as their publishers count them.
DATA = {
    "tfds:imagenet2012": (1_281_167, 1000),
    "tfds:places365_small": (1_803_460, 365),
    "tfds:cifar10": (50_000, 10),
}
each = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


def commands(text):
    """The words after the program's name, of every training in a text."""
    text = text.replace("\\\n", " ")
    pieces = re.split(PROGRAM, text)
    return [
        shlex.split(re.match(r'(?:"[^"]*"|[^"\n])*', piece)[0])
        for piece in pieces[1:]
    ]


def load(words):
    """The config that a command trains."""
    path = None
    if words[0] == "--config":
        path, words = ROOT / words[1], words[2:]
    return load_config(path, words)


def docstring(path):
    return path.read_text().split('"""')[1]


def sections(path):
    """The paragraphs of a docstring by their titles."""
    return dict(re.findall(r"^(\w+):((?:.|\n(?!\w))+)", docstring(path), re.M))


@each
def test_a_docstring_says_what_a_reader_needs(path):
    there = sections(path)
    wanted = {"Command", "Hardware", "Hours", "Recipe", "Paper", "Ours"}
    assert wanted <= there.keys()


@each
def test_the_page_lists_it(path):
    link = f"[{path.name}](../configs/{path.name})"
    assert link in (DOCS / "training.md").read_text()


@each
def test_every_command_of_a_docstring_is_a_config(path):
    found = commands(sections(path)["Command"])
    assert found[0] == ["--config", f"configs/{path.name}"]
    for words in found:
        assert words[:2] == found[0]
        config = load(words)
        network = keras_senet.find_network(config.model)
        options = dict(config.options)
        resolve_normalization(options.pop("normalization", None))
        assert options.keys() <= set(keywords(network))
        variant(network, **options)
        assert config.image_size >= network.min_size


def is_deep(path):
    """Whether the network takes more than a few seconds to build."""
    return table()[load_config(path).model]["multiply_adds"] > 5e9


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, marks=pytest.mark.slow if is_deep(p) else ())
        for p in CONFIGS
    ],
    ids=lambda path: path.stem,
)
def test_the_network_of_a_config_builds(path):
    config = load_config(path)
    _, classes = DATA[config.data]
    size = config.image_size
    model = keras_senet.create_model(
        config.model,
        weights=None,
        classes=classes,
        input_shape=(size, size, 3),
        **config.options,
    )
    assert model.output_shape == (None, classes)
    keras.utils.clear_session()


@each
def test_the_hours_are_those_of_the_operations(path):
    if path.stem.startswith("cifar10_se_"):
        # On a CPU, where they are measured.
        return
    hours, devices, rate = re.match(
        r" +([\d.]+) on (\d+) GPUs? at ([\d.]+) TFLOP/s \(estimated: ",
        sections(path)["Hours"],
    ).groups()
    config = load_config(path)
    images = DATA[config.data][0] * config.epochs
    seconds = write_traffic.training_seconds(config.model, images, float(rate))
    assert float(hours) == round(seconds / int(devices) / 3600, 1)


def rate_in(config, epoch, count):
    """The learning rate shortly after an epoch has begun."""
    step = schedule.step_at(config, epoch + 0.01, count)
    return (
        config.learning_rate
        * schedule.rates(config, range(step, step + 1), count).item()
    )


def test_the_recipe_for_imagenet_is_the_papers():
    config = load_config(ROOT / "configs/imagenet.py")
    count, _ = DATA[config.data]
    rates = [rate_in(config, epoch, count) for epoch in (0, 29, 30, 60, 90, 99)]
    assert rates == pytest.approx([0.6, 0.6, 0.06, 0.006, 0.0006, 0.0006])
    assert (config.batch_size, config.epochs) == (1024, 100)
    assert (config.momentum, config.nesterov) == (0.9, False)
    assert config.balanced
    assert config.options == {"normalization": "mean"}
    assert config.crop == "random_size"
    # 224 of 256 pixels, and in the command for 299 pixels of 352.
    assert config.image_size / config.validation_crop == 256
    assert int(299 / 0.849) == 352
    assert not config.label_smoothing


def test_senet154_is_trained_as_in_the_appendix():
    config = load_config(ROOT / "configs/senet154.py")
    count, _ = DATA[config.data]
    assert (config.batch_size, config.learning_rate) == (2048, 1.0)
    assert config.label_smoothing == 0.1
    last = schedule.step_at(config, 95, count)
    assert schedule.phases(config, count) == [(0, "all"), (last, "frozen_norm")]


def test_the_cifar_networks_are_trained_as_their_authors_did():
    words = commands(sections(ROOT / "configs/cifar10_paper.py")["Command"])
    resnet, wide = load(words[0]), load(words[2])
    rates = [rate_in(resnet, epoch, 50_000) for epoch in (1, 81, 82, 122, 123)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])
    rates = [rate_in(wide, epoch, 50_000) for epoch in (0, 59, 60, 120, 160)]
    assert rates == pytest.approx([0.1, 0.1, 0.02, 0.004, 0.0008])
    assert schedule.step_at(resnet, 164, 50_000) == 64_063  # 64,000 in theirs


@pytest.mark.parametrize("name", ["mobile", "ablation"])
def test_plateaus_start_at_a_rate_of_a_tenth(name):
    config = load_config(ROOT / "configs" / f"{name}.py")
    assert (config.schedule, config.decay_rate) == ("plateau", 0.1)
    assert (config.batch_size, config.learning_rate) == (256, 0.1)


def test_the_ablations_have_no_biases_in_the_blocks():
    path = ROOT / "configs/ablation.py"
    config, ratio, plain = map(load, commands(sections(path)["Command"]))
    assert config.options["se_bias"] is False
    assert ratio.options == {**config.options, "reduction": 4}
    # Of Table 10, without the moving statistics that are no parameters.
    model = keras_senet.create_model(
        "se_resnet50", weights=None, **config.options
    )
    count = keras_senet.analysis.complexity(model).parameters
    assert count == 28_071_976
    assert plain.model == "resnet50"


DOCUMENTS = [DOCS / "training.md", SLURM, KUBERNETES]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_of_the_documents_is_a_config(path):
    found = commands(path.read_text())
    for words in found:
        if words != ["--fields"]:
            load([word for word in words if word != "$@"])
    assert found


def stand_in(folder, name, script):
    """A program in place of the cluster's, or of the training."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def run_script(script, folder, environment, arguments=()):
    """What a cluster's script prints, and its exit status."""
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script, "script", *arguments],
        cwd=folder,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines(), done.returncode


TRAINING = 'echo $TF_CONFIG; echo "$*"; exit $STATUS'


@pytest.mark.parametrize(
    ("status", "trainings", "ends"), [(0, 1, 0), (1, 3, 1), (2, 1, 2)]
)
def test_the_script_for_slurm(tmp_path, status, trainings, ends):
    stand_in(tmp_path, "scontrol", "echo node1; echo node2; echo $1 >> called")
    stand_in(tmp_path, "srun", 'export SLURM_NODEID=1; "$@"')
    stand_in(tmp_path, ".venv/bin/python", TRAINING)
    job = {"SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "node[1-2]"}
    environment = {**job, "STATUS": str(status)}
    printed, returned = run_script(
        SLURM.read_text(), tmp_path, environment, ["--seed", "1"]
    )
    assert json.loads(printed[0]) == {
        "cluster": {"worker": ["node1:23456", "node2:23456"]},
        "task": {"type": "worker", "index": 1},
    }
    assert printed[1].endswith("--out runs/imagenet --seed 1")
    assert len([x for x in printed if "--seed 1" in x]) == trainings
    assert returned == ends
    environment["STATUS"] = "143"
    run_script(SLURM.read_text(), tmp_path, environment)
    called = (tmp_path / "called").read_text().split()
    assert called == ["show", "show", "requeue"]


def test_the_manifest_for_kubernetes(tmp_path):
    service, job = yaml.safe_load_all(KUBERNETES.read_text())
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert pod["subdomain"] == service["metadata"]["name"]
    assert int(variables["WORKERS"]) == job["spec"]["completions"]
    assert job["spec"]["completions"] == job["spec"]["parallelism"]
    stand_in(tmp_path, "getent", "exit 0")
    stand_in(tmp_path, "python", TRAINING)
    printed, _ = run_script(
        container["args"][0],
        tmp_path,
        {**variables, "JOB_COMPLETION_INDEX": "2", "STATUS": "0"},
    )
    name = job["metadata"]["name"]
    hosts = [f"{name}-{k}.{pod['subdomain']}:3333" for k in range(4)]
    assert json.loads(printed[0]) == {
        "cluster": {"worker": hosts},
        "task": {"type": "worker", "index": 2},
    }


@pytest.mark.slow
def test_the_python_of_the_documents_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "training.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for block in blocks:
        exec(block, {})
    assert blocks


def test_a_ring_sends_every_gradient_twice():
    row = write_traffic.traffic("se_resnet50", 8, images=32, teraflops=20.0)
    # 7/8 of 28,088,024 numbers of four bytes, there and back.
    assert row.sent_bytes == 2 * 7 * 28_088_024 * 4 // 8
    # 32 images of 3.86 G multiply-adds, three times, at 20 TFLOP/s.
    assert row.step_seconds == pytest.approx(32 * 3.86e9 * 6 / 20e12, abs=1e-4)
    seconds = row.sent_bytes * 8 / (row.gigabits_per_second * 1e9)
    assert seconds == pytest.approx(row.step_seconds / 10, rel=2e-3)


def test_the_table_of_the_traffic_is_the_scripts():
    with write_traffic.RESULT.open(newline="") as file:
        rows = list(csv.DictReader(file))
    text = (DOCS / "training.md").read_text()
    for row in rows:
        expected = write_traffic.traffic(
            row["network"],
            int(row["devices"]),
            int(row["images_per_device"]),
            float(row["teraflops"]),
        )
        assert row == {
            key: str(value)
            for key, value in dataclasses.asdict(expected).items()
        }
        cells = map(str, write_traffic.cells(expected))
        assert f"| {' | '.join(cells)} |" in text
    assert len(rows) == 6


def finished(folder, **changes):
    """The folder of a run on CIFAR-10, as it is when it has ended."""
    config = load_config(ROOT / "configs/cifar10_se_resnet20.py").record()
    result = {
        "config": {**config, **changes},
        "measured": {"top1": 0.5, "top5": 0.9, "images": 10_000},
        "versions": {"keras": "3"},
        "command": "python -m keras_senet train --config somewhere.py",
    }
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "history.csv").write_text("epoch,seconds\n0,7.5\n")
    return folder


def test_the_table_of_cifar10_has_runs_of_one_config(tmp_path):
    fields = {"model": "resnet20", "seed": 3, "precision": "mixed_bfloat16"}
    row = write_cifar10.read(finished(tmp_path / "good", **fields))
    assert row.items() >= fields.items()
    assert row["command"] == "python -m keras_senet train --config somewhere.py"
    other = finished(tmp_path / "other", epochs=2, learning_rate=9)
    with pytest.raises(ValueError, match="other is not of") as caught:
        write_cifar10.read(other)
    assert "epochs is 2 and not 20" in str(caught.value)
    assert "learning_rate is 9 and not 0.1" in str(caught.value)


def test_the_script_says_what_an_environment_lacks():
    # Without the folder of installed packages.
    words = [sys.executable, "-S", ROOT / "scripts" / "train.py"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2
    assert "source .venv/bin/activate" in done.stderr
