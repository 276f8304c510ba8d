"""What scripts/write_litert.py measured: its limits, and how it writes rows."""

import csv
import re
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def rows():
    with (ROOT / "results" / "litert.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("form", "most"), [("int8", 0.5), ("int8, trained for it", 0.2)]
)
def test_eight_bits_lose_no_more_than_is_allowed(form, most):
    """In points of the whole test split."""
    kept = {row["model"]: row for row in rows() if row["form"] == "Keras"}
    found = [row for row in rows() if row["form"] == form]
    assert found or form != "int8"
    for row in found:
        assert row["images"] == "10000"
        lost = float(kept[row["model"]]["top1"]) - float(row["top1"])
        assert round(100 * lost, 6) <= most, row


def test_the_notebook_says_the_same():
    text = (ROOT / "notebooks" / "04_tflite_android.py").read_text()
    text = " ".join(text.replace("\n#", "").split())
    named = re.search(r"Keras has (\S+) % right, and the files (.*?) %", text)
    forms = ("Keras", "float32", "float16", "dynamic", "int8")
    top1 = {
        row["form"]: f"{100 * float(row['top1']):.2f}"
        for row in rows()
        if row["model"] == "SE-ResNet-20"
    }
    assert [named[1], *re.split(", | and ", named[2])] == [
        top1[form] for form in forms
    ]


@pytest.fixture
def script():
    return pytest.importorskip("write_litert")


def test_rows_are_kept_and_replaced(script, tmp_path):
    result, page = tmp_path / "litert.csv", tmp_path / "page.md"
    result.write_text(
        "model,form,top1,bytes,machine\n"
        "a,Keras,0.9,4000,m\nb,Keras,0.8,8,m\nb,int8,0.7,8,\n"
    )
    page.write_text("x\n<!-- litert -->\nold\n<!-- end of litert -->\ny")
    found = {"points_lost": "1.00", "bytes_zipped": 1999, "milliseconds": "3"}
    for top1 in ("0.5", "0.89"):
        row = {"model": "a", "form": "int8", "top1": top1, "bytes": 2999}
        script.write({**row, **found, "machine": "m"}, result, page)
    with result.open(newline="") as file:
        kept = list(csv.DictReader(file))
    # b's int8, which doesn't say where it was measured, is gone.
    assert tuple(kept[0]) == script.COLUMNS
    assert [(row["model"], row["form"], row["top1"]) for row in kept] == [
        ("a", "Keras", "0.9"),
        ("a", "int8", "0.89"),
        ("b", "Keras", "0.8"),
    ]
    text = page.read_text()
    assert "| a | int8 | 89.00 | 1.00 | 2 | 1 | 3 |\n" in text
    assert "| b | Keras | 80.00 |  | 0 |  |  |\n" in text
    assert text.startswith("x\n")
    assert text.endswith("y")
    assert "old" not in text


def test_a_network_is_called_by_what_is_not_its_default(script):
    import keras_senet

    model = keras_senet.SEMobileNet(
        weights=None, alpha=0.5, classes=10, input_shape=(32, 32, 3)
    )
    assert script.name_of(model.card) == "SE-MobileNet, alpha=0.5"


def test_one_form_alone_beside_keras(script, tmp_path, monkeypatch):
    import keras_senet

    model = keras_senet.SEResNet20(weights=None, classes=10)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), "uint8")
    result = SimpleNamespace(top1=0.1, images=4)
    monkeypatch.setattr(script, "evaluate", lambda *data: result)
    keras, file = script.rows_of(model, tmp_path, pixels, {}, ["float16"])
    path = tmp_path / "se_resnet_20_float16.tflite"
    assert keras["form"] == "Keras"
    assert keras["model"] == file["model"] == "SE-ResNet-20"
    weights = np.concatenate([np.ravel(w) for w in model.get_weights()])
    assert keras["bytes"] == 4 * weights.size
    assert keras["bytes_zipped"] == len(zlib.compress(weights.tobytes(), 9))
    assert file["form"] == "float16"
    assert file["bytes"] == path.stat().st_size
