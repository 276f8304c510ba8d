"""Folders of classes as people have them."""

import os

import numpy as np
import pytest
from photos import photo

from keras_senet.data.folder import find_classes, from_folder
from keras_senet.data.pipeline import image_folder


@pytest.fixture
def folder(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        photo(1, 40, 30).save(tmp_path / name / "1.png")
    return tmp_path


def test_folders_and_hidden_files_are_no_images(folder):
    (folder / "cat" / "folder.jpg").mkdir()
    (folder / "cat" / "._1.jpg").write_bytes(b"what macOS leaves behind")
    paths, labels, names = find_classes(folder)
    assert paths == [str(folder / name / "1.png") for name in names]
    assert labels.tolist() == [0, 1]


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to link")
def test_links_to_folders_are_followed(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    photo(2, 40, 30).save(elsewhere / "2.png")
    (folder / "cat" / "more").symlink_to(elsewhere)
    paths, labels, _ = find_classes(folder)
    assert [os.path.basename(path) for path in paths] == [
        "1.png",
        "2.png",
        "1.png",
    ]
    assert labels.tolist() == [0, 0, 1]


def test_names_need_not_be_unicode(folder):
    source = os.fsencode(folder / "cat" / "1.png")
    try:
        os.link(source, os.path.dirname(source) + b"/\xff\xfe.png")
    except OSError:
        pytest.skip("this file system takes Unicode alone")
    images = from_folder(folder)
    assert len(images) == 3
    contents = {bytes(images.read(number).numpy()) for number in range(3)}
    assert len(contents) == 1
    batches = image_folder(folder, 16, training=False)
    [(pixels, labels)] = list(batches)
    np.testing.assert_array_equal(pixels[0], pixels[1])
    assert labels.numpy().tolist() == [0, 0, 1]
