"""The notebooks are what their sources say, and were run."""

import configparser
import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

import notebooks

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
# Folders of a machine; `/content` is Colab's.
MACHINE = re.compile(
    r"(?<![\w.])/(root|home|work|tmp|usr|opt|var|mnt|content|Users)/"
    r"|[A-Z]:\\|site-packages"
)
# What the package says of other classes, and the notebooks explain.
EXPLAINED = re.compile(r"\w+: loaded the body of weights=.*\n")
# What shows a picture.
DRAWS = re.compile(r"plt\.show\(|\bImage\(")


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request):
    return request.param


@pytest.fixture
def cells(source):
    path = source.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook.cells


def code(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def address():
    setup = configparser.RawConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup["metadata"]["url"]


def test_every_notebook_has_a_source():
    made = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert made == {path.stem for path in SOURCES}
    assert made


def test_the_cells_are_those_of_the_source(source, cells):
    written = jupytext.read(source).cells
    # The second cell, which installs, is of the script.
    found = [cells[0], *cells[2:]]
    assert [x.cell_type for x in found] == [x.cell_type for x in written]
    assert [x.source for x in found[1:]] == [x.source for x in written[1:]]
    title, _, rest = found[0].source.partition("\n")
    assert written[0].source.startswith(title)
    assert rest.endswith(written[0].source.partition("\n")[2])


def test_the_badge_and_the_first_cell_have_the_address(source, cells):
    owner = address().removeprefix("https://github.com/")
    assert owner != address()
    link = (
        f"(https://colab.research.google.com/github/{owner}/blob/main/"
        f"notebooks/{source.stem}.ipynb)"
    )
    assert link in cells[0].source
    assert re.search(
        rf'%pip install -q "keras_senet\[[a-z,]+\] @ git\+{address()}"\n',
        code(cells)[0].source,
    )


def test_every_cell_was_run_in_order(cells):
    counts = [cell.execution_count for cell in code(cells)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_output_is_an_error_or_a_warning(cells):
    for cell in code(cells):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            if output.get("name") == "stderr":
                assert not EXPLAINED.sub("", output.text)
            # TensorFlow's own log may go to standard output.
            assert "WARNING" not in output.get("text", "")


def test_no_output_names_a_folder_of_a_machine(cells):
    for cell in code(cells):
        for output in cell.outputs:
            texts = [output.get("text", "")] + [
                text
                for kind, text in output.get("data", {}).items()
                if kind.startswith("text/")
            ]
            for text in texts:
                assert not MACHINE.search(text), text


def test_pictures_are_where_they_are_drawn(cells):
    drawing = [cell for cell in code(cells) if DRAWS.search(cell.source)]
    assert drawing
    for cell in drawing:
        kinds = [kind for x in cell.outputs for kind in x.get("data", {})]
        assert "image/png" in kinds, cell.source


def test_it_is_small(source):
    assert source.with_suffix(".ipynb").stat().st_size < 600_000


def test_a_source_without_a_title_is_refused(tmp_path):
    path = tmp_path / "07_none.py"
    path.write_text("# %%\nprint(1)\n")
    with pytest.raises(ValueError, match="begins with 'print"):
        notebooks.build(path)


def test_a_notebook_that_fails_leaves_nothing(tmp_path):
    path = tmp_path / "07_fails.py"
    path.write_text("# %% [markdown]\n# # Fails\n\n# %%\nassert 1 == 2\n")
    with pytest.raises(CellExecutionError, match="AssertionError"):
        notebooks.write(path)
    assert [x.name for x in tmp_path.iterdir()] == ["07_fails.py"]
