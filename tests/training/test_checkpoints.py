"""Checkpoints on a real disk, whole and damaged."""

import os
import uuid

import numpy as np
import pytest

from keras_senet.training import checkpoints, run_folder

ARRAYS = {
    "model/0": np.arange(12, dtype="float32").reshape(3, 4),
    "scalar": np.array(7, "int64"),
    "half": np.ones(3, "float16"),
    "empty": np.zeros((0, 2), "float32"),
    "seed": np.array([1, 2**32 - 1], "uint32"),
}


def test_what_is_written_is_read(tmp_path):
    facts = {"step": 3, "rows": [{"loss": 0.1}]}
    path = checkpoints.write(tmp_path, 3, ARRAYS, facts)
    arrays, read = checkpoints.read(path)
    assert read == facts
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        np.testing.assert_array_equal(arrays[name], array)


def test_the_last_two_are_kept(tmp_path):
    for step in (5, 10, 900, 1000):
        checkpoints.write(tmp_path, step, ARRAYS, {"step": step})
    assert [checkpoints.step_of(p) for p in checkpoints.find(tmp_path)] == [
        1000,
        900,
    ]


def test_any_damage_is_found(tmp_path, rng):
    path = checkpoints.write(tmp_path, 3, ARRAYS, {})
    content = path.read_bytes()
    for place in (0, 7, 50, *rng.integers(0, len(content), 20)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=path.name):
            checkpoints.read(path)
    for length in (0, 1, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="damaged"):
            checkpoints.read(path)
    path.write_bytes(content)
    checkpoints.read(path)


def test_a_full_disk_keeps_the_last_good_one(tmp_path):
    good = checkpoints.write(tmp_path, 3, ARRAYS, {})
    # The kernel's own full disk.
    os.symlink("/dev/full", tmp_path / "checkpoint.partial")
    with pytest.raises(OSError, match="the disk is full") as caught:
        checkpoints.write(tmp_path, 4, ARRAYS, {})
    assert good.name in str(caught.value)
    assert checkpoints.find(tmp_path) == [good]
    checkpoints.read(good)
    assert not (tmp_path / "checkpoint.partial").exists()
    checkpoints.write(tmp_path, 4, ARRAYS, {})


def test_a_full_disk_keeps_the_text_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    run_folder.write_text(path, "old")
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=7))
    partial = tmp_path / f".{uuid.UUID(int=7).hex}.csv"
    os.symlink("/dev/full", partial)
    with pytest.raises(OSError, match="the disk is full") as caught:
        run_folder.write_text(path, "new")
    assert str(path) in str(caught.value)
    assert path.read_text() == "old"
    assert not os.path.lexists(partial)


def test_a_damaged_one_does_not_outlive_a_good_one(tmp_path):
    """Of the same step, under a hash that may sort after the good one's."""
    for number in range(8):
        folder = tmp_path / str(number)
        checkpoints.write(folder, 900, ARRAYS, {})
        damaged = checkpoints.write(folder, 1000, ARRAYS, {"run": number})
        damaged.write_bytes(b"")
        checkpoints.set_aside(damaged)
        good = checkpoints.write(folder, 1000, ARRAYS, {"again": number})
        last = checkpoints.write(folder, 1100, ARRAYS, {})
        assert checkpoints.find(folder) == [last, good]


def test_a_write_that_was_cut_does_not_count(tmp_path):
    (tmp_path / "checkpoint.partial").write_bytes(b"half of one")
    assert checkpoints.find(tmp_path) == []
    checkpoints.write(tmp_path, 4, ARRAYS, {})
    assert len(checkpoints.find(tmp_path)) == 1
    assert checkpoints.find(tmp_path / "none") == []
