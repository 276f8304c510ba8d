"""A network or a saved model in numbers, and scripts/complexity.py."""

import csv
import sys
from pathlib import Path

import complexity
import keras
import pytest

import keras_senet
from keras_senet.__main__ import main
from keras_senet.analysis import cost
from keras_senet.analysis.summary import published_errors, summarize
from keras_senet.architectures.table import NETWORKS, plain_twin

RESULTS = Path(complexity.__file__).parents[1] / "results"


def test_a_summary_has_the_plain_twin_beside():
    result = summarize("se_resnet20")
    plain = summarize("resnet20")
    for row, twin in zip(result["parts"], plain["parts"], strict=True):
        for key, count in row["plain"].items():
            assert count == twin[key]
    alone = [row["name"] for row in result["layers"] if row["plain"] is None]
    assert alone == [
        f"conv{stage}_block{block}_se"
        for stage in (2, 3, 4)
        for block in (1, 2, 3)
    ]
    assert any(
        "2,016 of the parameters are Eq. 5" in x for x in result["facts"]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "mobilenet",
        "shufflenet",
        "vgg16",
        "alexnet",
        "bn_inception",
        "inception_resnet_v2",
        "resnet164",
    ],
)
def test_the_plain_twin_of_every_family(name):
    result, plain = summarize(f"se_{name}"), summarize(name)
    # By name, since the order of two parallel layers is nobody's.
    twins = {x["name"]: x["plain"] for x in result["layers"] if x["plain"]}
    keys = next(iter(twins.values())).keys()
    assert twins == {
        x["name"]: {key: x[key] for key in keys} for x in plain["layers"]
    }


def test_a_summary_of_a_saved_model_is_that_of_its_network(tmp_path):
    path = tmp_path / "mine.keras"
    keras_senet.SEResNet20(weights=None, reduction=4).save(path)
    found, network = summarize(path), summarize("se_resnet20")
    assert (found["name"], found["title"]) == ("mine.keras", "SE-ResNet-20")
    assert any("reduction=4 (not 16)" in fact for fact in found["facts"])
    twins = [
        [row["plain"] for row in result["layers"]]
        for result in (found, network)
    ]
    assert twins[0] == twins[1]
    # Eq. 5 with r = 4.
    assert found["equation_5"] == 2 * 3 * (16**2 + 32**2 + 64**2) // 4
    with pytest.raises(ValueError, match="own weights"):
        summarize(path, "cifar10")


def test_a_summary_of_any_functional_model(tmp_path):
    path = tmp_path / "other.keras"
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)
    keras.Model(inputs, x, name="other").save(path)
    found = summarize(str(path))
    assert found["title"] == "other"
    assert found["multiply_adds"] == 6 * 6 * 3 * 3 * 3 * 4
    assert "plain" not in found["layers"][0]


def test_brackets_of_a_file_name_are_no_markup(tmp_path, capsys):
    path = tmp_path / "a[b].keras"
    keras_senet.SEResNet20(weights=None, name="n[c]").save(path)
    assert main(["summary", str(path)]) == 0
    assert "SE-ResNet-20 (a[b].keras)" in capsys.readouterr().out


def run_script(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["complexity.py", *map(str, words)])
    complexity.main()


def test_the_script_writes_the_layers_of_a_network(tmp_path, monkeypatch):
    out = tmp_path / "costs"
    run_script(monkeypatch, "--model", "se_resnet20", "--out", out)
    [path] = out.iterdir()
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert path.name == "se_resnet20_layers.csv"

    def total(key):
        return sum(int(row[key] or 0) for row in rows)

    plain = summarize("resnet20")
    assert total("parameters") == summarize("se_resnet20")["parameters"]
    assert total("plain_parameters") == plain["parameters"]
    assert total("plain_multiply_adds") == plain["multiply_adds"]
    # A block has no twin.
    empty = [row["name"] for row in rows if not row["plain_parameters"]]
    assert len(empty) == 9
    assert all(name.endswith("_se") for name in empty)


@pytest.mark.slow
def test_the_script_writes_what_results_has(tmp_path, monkeypatch):
    """Of some networks; the counts of all are compared below."""
    some = ("mobilenet", "resnet20", "se_mobilenet", "se_resnet20")
    names = [name for name in keras_senet.list_models() if name in some]
    monkeypatch.setattr(keras_senet, "list_models", lambda: names)
    monkeypatch.setattr(complexity, "FAMILIES", [("mobilenet",)])
    run_script(monkeypatch, "--out", tmp_path)
    for name in ("complexity.csv", "complexity_stages.csv"):
        written = (tmp_path / name).read_text().splitlines()
        header, *rows = (RESULTS / name).read_text().splitlines()
        there = [row for row in rows if row.split(",")[0] in names]
        assert written == [header, *there]
    assert (tmp_path / "complexity.png").stat().st_size > 20_000


def test_results_have_the_counts_of_every_network():
    """`table` is compared with the networks in test_every_network.py."""
    table, printed = cost.table(), published_errors()
    with (RESULTS / "complexity.csv").open(newline="") as file:
        rows = {row["network"]: row for row in csv.DictReader(file)}
    assert rows.keys() == table.keys()
    with (RESULTS / "complexity_stages.csv").open(newline="") as file:
        stages = list(csv.DictReader(file))
    for name, counts in table.items():
        row, network = rows[name], NETWORKS[name]
        expected = {
            **{key: str(count) for key, count in counts.items()},
            "input_size": str(network.input_size),
            "plain_twin": plain_twin(network).name if network.se else "",
        }
        for key in ("parameters", "multiply_adds"):
            share = counts[f"se_{key}"] / counts[key]
            expected[f"se_share_of_{key}"] = f"{share:.6f}"
        twin = table[expected["plain_twin"]] if network.se else {}
        for key in ("parameters", "multiply_adds", "activations"):
            expected[f"plain_{key}"] = str(twin.get(key, ""))
        for key in row:
            if key.startswith("published_"):
                known = printed.get(name, {})
                expected[key] = str(
                    known.get(key.removeprefix("published_"), "")
                )
        assert row == {"network": name, **expected}
        for key in ("parameters", "multiply_adds", "se_parameters"):
            parts = [int(x[key]) for x in stages if x["network"] == name]
            assert sum(parts) == counts[key], (name, key)
