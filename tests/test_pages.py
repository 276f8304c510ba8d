"""What README.md and docs/ show runs: their Python, and their commands."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import ablation
import ablation_rows as rows
import keras
import numpy as np
import pytest
from data.photos import put_photos
from PIL import Image
from small import made_shallow
from weights import published_files
from weights.mirror import Mirror, isolate

import keras_senet
from keras_senet.__main__ import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PUBLISHED = "seresnet50_imagenet_1000.h5"

# What a reader puts in the place of a name, and small networks for large ones.
PLACES = {
    r"folder/": "photos",
    r"\bDIR\b|\bPHOTOS\b|\bIMAGENET\b": "photos",
    r"\bFOLDER\b": "out",
    r"\bRUN\b": "run",
    r"convert FILE": f"convert {PUBLISHED}",
    r"--config FILE": "--config configs/cifar10_se_resnet20.py",
    r"tfds:cifar10|cifar10\.npz": "DATA",
    r"/shared/": "",
    r"^\./scripts/train\.py": "keras-senet train",
    r"^python -m keras_senet": "keras-senet",
}
SMALLER = {
    r"--model (se_resnet50|senet154)": "--model se_resnet20",
    r"--weights imagenet": "--weights cifar10",
}
# What is added so that a command ends in seconds.
TRAINING = "--model se_resnet32 --image-size 32 --batch-size 8 --epochs 1"
TRAINING += " --warmup-epochs 0"
ADDED = {
    "train": TRAINING,
    "scripts/launch_local.py": TRAINING,
    "finetune": "--epochs 2",
    "scripts/ablation.py": "--epochs 3 --seeds 1 --out ablation",
}
# What no test runs, and why.
LEFT_OUT = {
    r"\./scripts/(demo|test)": "what runs the tests",
    r"pip install": "what runs the tests installs it",
    r"python scripts/benchmark\.py": "needs the peers; tests/test_benchmark.py",
    r"python scripts/complexity\.py": "tests/analysis/test_summary.py",
    r"python scripts/ablation\.py .*--config": "tests/test_ablation.py",
    r"keras-senet verify-weights": "the hub; tests/weights/test_published.py",
    r'export |    "task"': "a cluster; tests/training/test_processes.py",
    r"mkdir |python -c|tfds\.builder": "ImageNet's archives",
}


def blocks(language):
    """The blocks of a language, by their page."""
    for page in PAGES:
        text = page.read_text()
        found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        yield page.stem, found


def publish(folder, monkeypatch):
    """A mirror on loopback, with a file laid out as the real one."""
    published_files.write_h5(
        folder / PUBLISHED, published_files.classification_models("seresnet50")
    )
    published_files.publish(monkeypatch, folder)
    isolate(monkeypatch, folder / "home")
    mirror = Mirror(folder).__enter__()
    monkeypatch.setenv("KERAS_SENET_MIRROR", mirror.url)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(
            block,
            id=f"{page}-{number}",
            marks=() if page == "README" else pytest.mark.slow,
        )
        for page, found in blocks("python")
        for number, block in enumerate(found)
    ],
)
def test_the_python_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if 'weights="imagenet"' in block:
        publish(tmp_path, monkeypatch)
    put_photos(tmp_path)
    if "quantization_aware" in block:
        if importlib.util.find_spec("tensorflow_model_optimization") is None:
            pytest.skip('needs pip install "keras_senet[qat]"')
        # A few images in the place of all.
        block = block.replace('"tfds:cifar10"', "DATA").replace("=3", "=1")
    data = np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10
    exec(block, {"DATA": data})


def commands(block):
    """The lines of a block that are run, as words."""
    for line in block.replace("\\\n", " ").splitlines():
        if not any(re.match(start, line) for start in LEFT_OUT):
            smaller = {} if "convert" in line else SMALLER
            for place, word in (PLACES | smaller).items():
                line = re.sub(place, word, line)
            yield shlex.split(line, comments=True)


def run(words, done):
    """Runs a command in small, once."""
    settings = {}
    while "=" in words[0]:
        key, value = words.pop(0).split("=")
        settings[key] = value
    script = words[0] != "keras-senet"
    if not script or words[0] == "python":
        words.pop(0)
    name = words[0].removeprefix("./")
    if name in ("train", "scripts/launch_local.py") and "--fields" not in words:
        shutil.rmtree("trained", ignore_errors=True)
        words += ["--out", "trained"]
        words += [] if "--data" in words else ["--data", "folder:split"]
    if "--fields" not in words:
        words += shlex.split(ADDED.get(name, ""))
    found = "data.npz" if name == "scripts/ablation.py" else "folder:split"
    words = [found if word == "DATA" else word for word in words]
    if name == "scripts/ablation.py":
        # Every row is understood, and one of them is trained.
        args, _ = ablation.arguments(words[1:])
        words += ["--rows", (args.rows or ["without SE"])[-1]]
    if words in done:
        return
    done.append(words)
    if not script:
        assert main(words) == 0, words
        return
    subprocess.run(
        [sys.executable, ROOT / name, *words[1:]],
        env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
        check=True,
    )


@pytest.fixture
def real_photos(data_dir, tmp_path):
    """Photos of CIFAR-10, as folders with and without splits, and as arrays."""
    import tensorflow_datasets as tfds

    data, info = tfds.load(
        "cifar10",
        split="test[:150]",
        data_dir=data_dir,
        download=False,
        with_info=True,
    )
    names = info.features["label"].names
    rows = list(data.as_numpy_iterator())
    for number, row in enumerate(rows):
        name = f"{names[row['label']]}/{number}.png"
        part = "test" if number % 3 else "train"
        for folder in ("photos", f"split/{part}"):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(row["image"]).save(path)
    Image.fromarray(row["image"]).save(tmp_path / "photo.jpg")
    arrays = {
        "images": np.stack([row["image"] for row in rows[:40]]),
        "labels": np.array([row["label"] for row in rows[:40]]),
    }
    parts = {
        f"{part}_{kind}": value
        for part in ("train", "test")
        for kind, value in arrays.items()
    }
    np.savez(tmp_path / "data.npz", **parts)
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="training and LiteRT need TensorFlow",
)
@pytest.mark.parametrize(("page", "found"), list(blocks("sh")))
def test_the_commands_run(page, found, real_photos, monkeypatch):
    monkeypatch.chdir(real_photos)
    os.symlink(ROOT / "configs", "configs")
    publish(real_photos, monkeypatch)
    keras_senet.SEResNet20(weights="cifar10").save("mine.keras")
    done = []
    # What is trained; nothing else of the pages takes it.
    with made_shallow("se_resnet32"):
        for block in found:
            for words in commands(block):
                run(words, done)
    if page == "android":
        for name in ("onnx", "xml", "bin", "tflite", "labels.txt", "json"):
            assert Path(f"se_resnet20.{name}").is_file()


def test_the_readme_names_the_networks_as_they_are():
    text = PAGES[0].read_text()
    for name in re.findall(r"keras_senet\.([A-Z]\w+)\(", text):
        assert hasattr(keras_senet, name)


def results(pattern):
    """Committed results; a reader's own studies may lie beside them."""
    names = subprocess.run(
        ["git", "ls-files", f"results/{pattern}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert names
    return names


def test_every_result_is_on_its_page():
    text = (ROOT / "docs" / "results.md").read_text()
    for name in results("*"):
        # What a study goes on from is listed by its table.
        run = re.fullmatch(r"results/ablation/.*\.json", name)
        assert f"(../{name})" in text or name.endswith(".png") or run, name


def test_the_tables_of_ablations_are_on_their_page():
    """Copied from what the script wrote."""
    text = (ROOT / "docs" / "study.md").read_text()
    for name in results("ablation/*.md"):
        assert (ROOT / name).read_text() in text, name


def test_the_rows_of_ablations_are_on_their_page():
    network = keras_senet.find_network("se_resnet20")
    text = (ROOT / "docs" / "study.md").read_text()
    for study in rows.STUDIES:
        [words] = re.findall(
            rf"^\| `{study}` \|.*?\| `(.*?)`", text, re.MULTILINE
        )
        labels = [row.label for row in rows.rows_of(study, network)]
        assert shlex.split(words) == labels


def test_the_site_has_every_page():
    text = (ROOT / "mkdocs.yml").read_text()
    for page in PAGES:
        assert f": {page.relative_to(ROOT)}\n" in text
