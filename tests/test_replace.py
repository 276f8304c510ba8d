"""Files that are whole or not there."""

import threading

import pytest

from keras_senet.replace import replaced


def test_a_file_takes_the_place_of_another_when_it_is_whole(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with replaced(path) as partial:
        assert (partial.parent, partial.suffix) == (tmp_path, ".csv")
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail():
        with replaced(path) as partial:
            partial.write_text("half of")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_many_may_write_the_same_file(tmp_path):
    path = tmp_path / "table.csv"
    begin = threading.Barrier(8)
    errors = []

    def write(number):
        try:
            with replaced(path) as partial:
                partial.write_text(str(number) * 1000)
                begin.wait()
        except OSError as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(k,)) for k in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not errors
    assert len(set(path.read_text())) == 1
    assert list(tmp_path.iterdir()) == [path]
