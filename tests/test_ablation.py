"""scripts/ablation.py: its studies, and its augmentation on the device."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import ablation
import keras
import numpy as np
import pytest
from training.runs import write_photos

SCRIPT = Path(ablation.__file__)


def test_augmented_images_are_parts_of_the_padded_ones(rng):
    images = rng.integers(1, 256, (12, 16, 24, 3)).astype("float32")
    layer = ablation.PaddedCropAndFlip(0)
    found = keras.ops.convert_to_numpy(layer(images, training=True))
    places = set()
    for image, one in zip(images, found, strict=True):
        padded = np.pad(image, ((2, 2), (3, 3), (0, 0)))
        [place] = [
            (top, left, flip)
            for top in range(5)
            for left in range(7)
            for flip in (1, -1)
            if np.array_equal(
                padded[top : top + 16, left : left + 24][:, ::flip], one
            )
        ]
        places.add(place)
    # Each image has one of its own.
    assert len(places) > 6
    assert len({flip for _, _, flip in places}) == 2
    same = keras.ops.convert_to_numpy(layer(images, training=False))
    np.testing.assert_array_equal(same, images)


@pytest.mark.parametrize("study", ablation.STUDIES)
def test_the_rows_of_a_study_are_different_networks(study):
    records = []
    for row in ablation.STUDIES[study]:
        model = ablation.build("se_resnet20", row, (32, 32, 3), 10)
        records.append(repr(model.card.record["se"]))
        if row.options is None:
            assert model.card.network == "resnet20"
        else:
            assert not model.card.record["se"]["se_bias"]
    assert len(set(records)) == len(records)


def test_rows_of_two_studies_that_are_one_network_have_one_name():
    names = {
        study: [ablation.describe("se_resnet20", row) for row in rows]
        for study, rows in ablation.STUDIES.items()
    }
    assert names["placement"][:3] == ["plain", "se", "placement=pre"]
    assert names["reduction"][4] == names["excitation"][2] == "se"
    assert names["stages"][1] == "se_stages=2"


@pytest.mark.slow
def test_a_study_goes_on_where_it_stopped(tmp_path, rng):
    arrays = {
        f"{part}_{kind}": value
        for part in ("train", "test")
        for kind, value in (
            ("images", rng.integers(0, 256, (32, 16, 16, 3), "uint8")),
            ("labels", np.arange(32) % 3),
        )
    }
    np.savez(tmp_path / "data.npz", **arrays)
    command = [sys.executable, SCRIPT, "--study", "squeeze", "--epochs", "3"]
    command += ["--data", tmp_path / "data.npz", "--out", tmp_path / "out"]
    subprocess.run([*command, "--seeds", "1", "--rows", "max"], check=True)
    name = "data-se_resnet20-squeeze=max-float32-cosine-3-0.json"
    first = tmp_path / "out/runs" / name
    written = first.stat().st_mtime_ns
    subprocess.run([*command, "--seeds", "1"], check=True)
    assert first.stat().st_mtime_ns == written
    with (tmp_path / "out/squeeze.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["max", "avg"]
    assert "22.57" in (tmp_path / "out/squeeze.md").read_text()
    assert (tmp_path / "out/squeeze.png").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="training needs TensorFlow"
)
def test_a_config_trains_the_rows(tmp_path):
    """Rows differ by their options alone, and the twin has none of SE's."""
    write_photos(tmp_path / "photos", train=8, validation=4)
    (tmp_path / "config.py").write_text(
        "from keras_senet.training import TrainConfig\n"
        f"config = TrainConfig('se_resnet20', 'folder:{tmp_path}/photos',\n"
        "    image_size=32, batch_size=8, epochs=3, learning_rate=0.01,\n"
        "    options={'se_bias': False, 'normalization': 'mean'})\n"
    )
    command = [sys.executable, SCRIPT, "--study", "placement", "--seeds", "1"]
    command += ["--config", tmp_path / "config.py", "--out", tmp_path / "out"]
    command += ["--rows", "without SE", "pre"]
    subprocess.run(command, check=True)
    runs = tmp_path / "out/runs"
    options = {}
    for path in runs.glob("*.json"):
        config = json.loads((path.with_suffix("") / "config.json").read_text())
        options[config["model"]] = config["options"]
        known = json.loads(path.read_text())
        result = json.loads((path.with_suffix("") / "result.json").read_text())
        assert known["images"] == result["measured"]["images"] == 12
        assert known["top1_error"] == pytest.approx(
            100 * (1 - result["measured"]["top1"]), abs=1e-3
        )
    assert options == {
        "resnet20": {"normalization": "mean"},
        "se_resnet20": {
            "normalization": "mean",
            "se_bias": False,
            "placement": "pre",
        },
    }
