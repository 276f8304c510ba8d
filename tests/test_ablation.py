"""scripts/ablation.py: its studies, and its augmentation on the device."""

import argparse
import csv
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import ablation
import ablation_in_memory as in_memory
import ablation_rows as rows
import ablation_tables as tables
import keras
import numpy as np
import pytest
from PIL import Image
from training.runs import start, wait_for, write_photos

import keras_senet
from keras_senet.architectures.variants import from_record

SCRIPT = Path(ablation.__file__)
CONFIG = SCRIPT.parents[1] / "configs/ablation.py"


def test_augmented_images_are_parts_of_the_padded_ones(rng):
    images = rng.integers(1, 256, (12, 16, 24, 3)).astype("float32")
    layer = in_memory.PaddedCropAndFlip(0)
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


needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it needs TensorFlow"
)
NETWORK = keras_senet.find_network("se_resnet20")
OPTIONS = in_memory.OPTIONS


@pytest.mark.parametrize("study", rows.STUDIES)
def test_the_rows_of_a_study_are_different_networks(study):
    records = []
    for row in rows.rows_of(study, NETWORK):
        name, options = rows.network_of(NETWORK, OPTIONS, row)
        model = keras_senet.create_model(name, weights=None, **options)
        records.append(repr(model.card.record["se"]))
        expected = "resnet20" if row.options is None else "se_resnet20"
        assert model.card.network == expected
        assert from_record(model.card.record) == rows.record(
            NETWORK, OPTIONS, row
        )
        if row.options is not None:
            assert not model.card.record["se"]["se_bias"]
    assert len(set(records)) == len(records)


def test_the_errors_are_those_the_paper_prints():
    """Tables 10 to 16, top-1 error."""
    network = keras_senet.find_network("se_resnet50")
    errors = {
        study: [row.paper for row in rows.rows_of(study, network)]
        for study in rows.STUDIES
    }
    assert errors == {
        "reduction": [23.30, 22.29, 22.25, 22.26, 22.28, 22.72],
        "squeeze": [22.57, 22.28],
        "excitation": [23.47, 23.00, 22.28],
        "stages": [23.30, 23.03, 23.04, 22.68, None, 22.28],
        "placement": [23.30, 22.28, 22.23, 22.78, 22.20, 22.48],
        "nosqueeze": [23.30, 22.93, 22.28],
    }


def test_rows_of_two_studies_that_are_one_network_have_one_name():
    names = {
        study: [
            rows.describe(NETWORK, OPTIONS, row)
            for row in rows.rows_of(study, NETWORK)
        ]
        for study in rows.STUDIES
    }
    assert names["placement"][:3] == ["plain", "se", "placement=pre"]
    assert names["reduction"][4] == names["excitation"][2] == "se"
    assert names["nosqueeze"][2] == names["stages"][-1] == "se"
    assert names["stages"][1] == "se_stages=2"


def test_names_say_what_a_row_changes_of_the_config():
    options = {"reduction": 4, "normalization": "mean"}
    names = [
        rows.describe(NETWORK, options, row)
        for row in rows.rows_of("reduction", NETWORK)
    ]
    assert names[2:5] == ["se", "reduction=8", "reduction=16"]


def test_the_stages_are_those_of_the_network():
    network = keras_senet.find_network("se_bn_inception")
    found = rows.rows_of("stages", network)
    assert [row.label for row in found[1:-1]] == [
        "stage 3",
        "stage 4",
        "stage 5",
    ]
    assert [row.paper for row in found[1:-1]] == [None] * 3
    for row in found:
        rows.record(network, OPTIONS, row)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("placement --model se_vgg16", "has no `placement`. Give another --st"),
        ("placement --model se_inception_resnet_v2", "'3x3' does not fit"),
        ("reduction --model resnet20", "no SE blocks. Give 'se_resnet20'"),
        ("reduction --model plain_senet154", "Give 'senet154'"),
        ("stages --model se_bn_inception --rows 'stage 2'", "'stage 3'"),
        ("squeeze --epochs 2", "at least 3 (the rate rises for the first 2)"),
        ("squeeze --data x.csv", "ends in .npz"),
        ("squeeze --epochs 0 --schedule plateau", "at least 1,"),
        ("squeeze --config CONFIG --schedule cosine", "--schedule is for"),
        ("squeeze --config CONFIG --precision float32", "--precision is for"),
        ("squeeze --config CONFIG --image-size 8", "--image-size is for"),
        ("squeeze --config none.py", "does not exist"),
        ("squeeze --config CONFIG --data a.npz", "images that are files"),
    ],
)
def test_what_does_not_fit_is_refused(words, message, monkeypatch, capsys):
    words = words.replace("CONFIG", str(CONFIG))
    words = ["ablation.py", "--study", *shlex.split(words)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        ablation.arguments()
    assert message in capsys.readouterr().err


@needs_tensorflow
def test_one_epoch_of_a_config_is_enough(monkeypatch):
    words = f"ablation.py --study squeeze --epochs 1 --config {CONFIG}"
    monkeypatch.setattr(sys, "argv", words.split())
    args, config = ablation.arguments()
    assert (args.model, config.epochs) == ("se_resnet50", 1)


@needs_tensorflow
def test_images_of_many_sizes_are_trained_on_by_the_config(
    tmp_path, monkeypatch, capsys
):
    photos = write_photos(tmp_path / "photos", train=1, validation=1)
    words = f"ablation.py --study squeeze --data {photos}"
    monkeypatch.setattr(sys, "argv", words.split())
    args, config = ablation.arguments()
    assert "trained by configs/ablation.py" in capsys.readouterr().out
    assert (args.model, config.data) == ("se_resnet50", photos)
    assert (args.epochs, config.schedule) == (300, "plateau")
    monkeypatch.setattr(sys, "argv", [*words.split(), "--schedule", "cosine"])
    with pytest.raises(SystemExit):
        ablation.arguments()
    assert "--schedule is for runs in memory" in capsys.readouterr().err


@pytest.fixture
def arrays(rng):
    return {
        f"{part}_{kind}": value
        for part in ("train", "test")
        for kind, value in (
            ("images", rng.integers(0, 256, (32, 16, 16, 3), "uint8")),
            ("labels", np.arange(32) % 3),
        )
    }


def test_arrays_that_are_missing_or_do_not_fit_are_refused(tmp_path, arrays):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    for name, array in in_memory.read(str(path)).items():
        np.testing.assert_array_equal(array, arrays[name])
    np.savez(path, **{**arrays, "test_labels": arrays["test_labels"][1:]})
    with pytest.raises(ValueError, match=r"test_labels of int64 .*\(31,\)"):
        in_memory.read(str(path))
    np.savez(path, **{**arrays, "test_labels": arrays["test_labels"] - 1})
    with pytest.raises(ValueError, match="test_labels from -1 on"):
        in_memory.read(str(path))
    np.savez(path, **{**arrays, "test_images": arrays["test_images"][:, :8]})
    with pytest.raises(ValueError, match=r"\(8, 16, 3\) and \(16, 16, 3\)"):
        in_memory.read(str(path))
    del arrays["test_labels"]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="no array 'test_labels'"):
        in_memory.read(str(path))
    with pytest.raises(ValueError, match="no such file"):
        in_memory.read(str(tmp_path / "none.npz"))
    for content in (path.read_bytes()[:-50], b"a text", b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"data\.npz can't be read as a"):
            in_memory.read(str(path))


def test_images_are_made_smaller(tmp_path, arrays):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    read = in_memory.read(str(path))
    found = in_memory.smaller(read, 8)
    for part in ("train", "test"):
        for image, small in zip(
            arrays[f"{part}_images"], found[f"{part}_images"], strict=True
        ):
            pillow = Image.fromarray(image).resize((8, 8), Image.Resampling.BOX)
            # Pillow rounds half a level up, and numpy to the even one.
            assert np.abs(small - np.asarray(pillow, int)).max() <= 1
            exact = image.reshape(8, 2, 8, 2, 3).mean((1, 3))
            assert np.abs(small - exact).max() <= 0.5
        labels = f"{part}_labels"
        np.testing.assert_array_equal(found[labels], arrays[labels])
    for size in (0, -8, 6, 32):
        with pytest.raises(ValueError, match=f"is {size}, .* 16 x 16 pixels"):
            in_memory.smaller(read, size)


def test_a_folder_holds_runs_of_one_recipe(tmp_path, arrays):
    args = argparse.Namespace(
        **{**ablation.DEFAULTS, "data": "a/x.npz"},
        image_size=None,
        out=tmp_path,
        config=None,
    )
    recipe = in_memory.recipe(args, arrays)
    folder = ablation.open_folder(args, recipe)
    assert folder.name == "se_resnet20-x-20_epochs"
    # Nothing is finished yet.
    ablation.open_folder(args, {**recipe, "learning_rate": 1})
    ablation.open_folder(args, recipe)
    ablation.write_json(folder / "finished/se-0.json", {})
    args.data = "tfds:x"
    assert ablation.open_folder(args, recipe) == folder
    arrays["test_images"][0, 0, 0, 0] ^= 1
    with pytest.raises(SystemExit, match="another recipe: `data_sha256`"):
        ablation.open_folder(args, in_memory.recipe(args, arrays))
    args.precision = "mixed_bfloat16"
    other = ablation.open_folder(args, in_memory.recipe(args, arrays))
    assert other.name == "se_resnet20-x-20_epochs-mixed_bfloat16"
    args.image_size = 8
    other = ablation.open_folder(args, in_memory.recipe(args, arrays))
    assert other.name == "se_resnet20-x-20_epochs-8_px-mixed_bfloat16"


def test_a_damaged_file_of_a_folder_is_named(tmp_path):
    path = tmp_path / "se-0.json"
    path.write_text('{"cut": ')
    with pytest.raises(SystemExit, match=r"se-0\.json is damaged .* Remove it"):
        tables.read_json(path)


def cells_of(study, errors):
    """The cells of a table of made-up errors."""
    runs = [
        {
            "row": label,
            "top1_error": error,
            "parameters": 1000,
            "paper_top1_error": None if label == "pre" else 22.5,
        }
        for label, some in errors.items()
        for error in some
    ]
    table = tables.table(study, tables.summarise(study, runs))
    return [
        [x.strip() for x in line.strip("|").split("|")]
        for line in table.splitlines()
    ]


def test_a_study_is_compared_with_the_network_without_se():
    """Of the difference of two means, with Welch's standard error."""
    errors = {"without SE": [9.0, 9.4, 9.8], "r = 2": [8.2, 8.4], "pre": [8.0]}
    header, _, *cells = cells_of("reduction", errors)
    assert 'change from "without SE"' in header
    plain, se = (np.array(errors[x]) for x in ("without SE", "r = 2"))
    wrong = f"{np.sqrt(plain.var(ddof=1) / 3 + se.var(ddof=1) / 2):.2f}"
    assert cells == [
        ["without SE", "9.40", "0.40", "3", "", "", "1,000", "22.50"],
        ["r = 2", "8.30", "0.14", "2", "-1.10", wrong, "1,000", "22.50"],
        ["pre", "8.00", "", "1", "-1.40", "", "1,000", ""],
    ]


def test_the_designs_of_a_block_are_compared_with_the_standard_one():
    errors = {"without SE": [9.4], "standard": [8.4], "pre": [8.0]}
    header, _, *cells = cells_of("placement", errors)
    assert 'change from "standard"' in header
    assert [row[4] for row in cells] == ["+1.00", "", "-0.40"]
    # Nothing to compare with is there yet.
    *_, row = cells_of("excitation", {"relu": [9.4]})
    assert row[:6] == ["relu", "9.40", "", "1", "", ""]


@pytest.mark.parametrize("study", rows.STUDIES)
def test_the_row_of_the_comparison_is_a_row(study):
    labels = [row.label for row in rows.rows_of(study, NETWORK)]
    assert tables.compared_with(study) in labels


def test_a_short_run_counts_what_is_trained(arrays):
    args = argparse.Namespace(**{**ablation.DEFAULTS, "epochs": 3})
    recipe = in_memory.recipe(args, arrays)
    known = in_memory.train("se_resnet20", OPTIONS, recipe, 0, arrays)
    built = keras_senet.SEResNet20(weights=None, classes=3, **OPTIONS)
    assert known["parameters"] == sum(
        np.prod(variable.shape) for variable in built.trainable_variables
    )
    assert known["images"] == 32
    assert 0 <= known["top1_error"] <= 100


@pytest.mark.slow
def test_a_study_goes_on_where_it_stopped(tmp_path, arrays):
    np.savez(tmp_path / "data.npz", **arrays)
    command = [sys.executable, SCRIPT, "--study", "squeeze", "--epochs", "3"]
    command += ["--data", tmp_path / "data.npz", "--out", tmp_path / "out"]
    folder = tmp_path / "out/se_resnet20-data-3_epochs"
    first = folder / "finished/squeeze=max-0.json"
    process = start([*command, "--seeds", "9", "--rows", "max"])
    wait_for(first.exists)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130
    assert "The same command goes on with what is left." in output
    for path in first.parent.glob("*-[1-9].json"):
        path.unlink()
    written = first.stat().st_mtime_ns
    known = json.loads(first.read_text())
    assert known["numpy"] == np.__version__
    assert known["backend"].startswith(keras.backend.backend())
    assert str(tmp_path) not in known["command"]
    subprocess.run([*command, "--seeds", "1"], check=True)
    assert first.stat().st_mtime_ns == written
    # What a smaller call finds is all that is finished.
    subprocess.run([*command, "--seeds", "1", "--rows", "avg"], check=True)
    with (folder / "squeeze.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["row"] for row in found] == ["max", "avg"]
    assert "22.57" in (folder / "squeeze.md").read_text()
    assert (folder / "squeeze.png").exists()


@pytest.mark.slow
@needs_tensorflow
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
    [folder] = (tmp_path / "out").iterdir()
    assert folder.name == "se_resnet20-photos-3_epochs-config"
    options = {}
    for path in folder.glob("finished/*.json"):
        run = folder / "runs" / path.stem
        config = json.loads((run / "config.json").read_text())
        options[config["model"]] = config["options"]
        known = json.loads(path.read_text())
        result = json.loads((run / "result.json").read_text())
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
