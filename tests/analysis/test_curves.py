"""scripts/curves.py: the curves of several runs in one picture."""

import sys

import curves
import numpy as np
import pytest
from PIL import Image


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["curves.py", *map(str, words)])
    curves.main()


@pytest.fixture
def runs(tmp_path):
    """A run with our columns and a file with those of Keras' CSVLogger."""
    folder = tmp_path / "with_se"
    folder.mkdir()
    (folder / "history.csv").write_text(
        "epoch,top1,val_top1\n0,0.5,0.4\n1,0.7,0.6\n2,0.9,0.8\n"
    )
    file = tmp_path / "plain_history.csv"
    file.write_text(
        "epoch,accuracy,val_accuracy\n0,0.3,0.2\n1,0.4,0.3\n2,0.5,0.4\n"
    )
    return folder, file


def test_training_and_validation_error_of_all(runs, tmp_path, monkeypatch):
    drawn = {}

    def draw(figure, out):
        [axes] = figure.axes
        for line in axes.get_lines():
            drawn[line.get_label()] = line.get_xydata()
        figure.savefig(out)

    monkeypatch.setattr("keras_senet.training.curves.save", draw)
    run(monkeypatch, *runs, "--out", tmp_path / "curves.png")
    assert np.asarray(Image.open(tmp_path / "curves.png")).std() > 5
    expected = {
        "with_se, training": [50, 30, 10],
        "with_se, validation": [60, 40, 20],
        "plain, training": [70, 60, 50],
        "plain, validation": [80, 70, 60],
    }
    assert drawn.keys() == expected.keys()
    for label, errors in expected.items():
        np.testing.assert_allclose(
            drawn[label], np.transpose([[1, 2, 3], errors])
        )


def test_what_is_no_history_is_refused(runs, tmp_path, monkeypatch, capsys):
    folder, file = runs
    file.write_text("epoch,loss\n0,1\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    for paths, message in (
        ([empty], "has no history"),
        ([file], "val_top1 (or val_accuracy)"),
        ([folder, folder], "both called 'with_se'"),
    ):
        with pytest.raises(SystemExit):
            run(monkeypatch, *paths, "--out", tmp_path / "curves.png")
        assert message in capsys.readouterr().err
    assert not (tmp_path / "curves.png").exists()
