#!/usr/bin/env python3
"""Makes notebooks/NAME.ipynb, with its outputs, of notebooks/NAME.py.

    python scripts/notebooks.py                # all of them
    python scripts/notebooks.py 01_quickstart

The sources are in jupytext's percent format. This adds what all notebooks
share, Colab's badge under the title and the cell that installs the package,
with the repository's address (`url` in setup.cfg), and runs every cell.
"""

import argparse
import os
from pathlib import Path

import jupytext
import nbformat
from marks import ROOT
from nbclient import NotebookClient
from site_pages import repository

FOLDER = ROOT / "notebooks"
# The extra of the package that a notebook needs, where `demo` (pictures and
# photos) is not enough.
EXTRAS = {"04_tflite_android": "demo,litert,mediapipe"}
# It installs nothing where the package is there, as in the tests. The variable
# keeps TensorFlow's notes about the machine away.
INSTALL = """\
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
try:
    import keras_senet
except ImportError:
    %pip install -q "keras_senet[{extras}] @ git+{url}"
    import keras_senet"""
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "({url}/blob/main/notebooks/{name}.ipynb)"
)


def build(source: Path) -> nbformat.NotebookNode:
    """Returns a notebook without outputs.

    Args:
        source: a `.py` file in the percent format, whose first cell is text
            that begins with the title.
    """
    url, name = repository(), source.stem
    notebook = jupytext.read(source)
    title, _, rest = notebook.cells[0].source.partition("\n")
    if not title.startswith("# "):
        raise ValueError(
            f"{source.name} begins with {title!r}. Allowed: a cell of "
            "Markdown whose first line is the title, `# …`."
        )
    badge = BADGE.format(
        url=url.replace("github.com", "colab.research.google.com/github"),
        name=name,
    )
    notebook.cells[0].source = f"{title}\n\n{badge}\n{rest}"
    install = INSTALL.format(extras=EXTRAS.get(name, "demo"), url=url)
    notebook.cells.insert(1, nbformat.v4.new_code_cell(install))
    for number, cell in enumerate(notebook.cells):
        # The same in every run, so that a change shows what has changed.
        cell.id = f"cell-{number}"
        cell.metadata.pop("lines_to_next_cell", None)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            },
        }
    )
    return notebook


def write(source: Path) -> Path:
    """Runs a notebook and writes it beside its source, whole or not at all.

    Args:
        source: a `.py` file in the percent format.

    Returns:
        The `.ipynb` file.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails.
    """
    notebook = build(source)
    NotebookClient(
        notebook,
        timeout=600,
        record_timing=False,
        resources={"metadata": {"path": source.parent}},
        # Without what libraries in C++ say of the machine when they are loaded;
        # warnings of Python are kept.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
    ).execute()
    path = source.with_suffix(".ipynb")
    partial = source.with_suffix(".partial")
    nbformat.write(notebook, partial)
    partial.replace(path)
    return path


def main():
    there = sorted(path.stem for path in FOLDER.glob("*.py"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(there)}"
    )
    names = parser.parse_args().names
    for name in names:
        if name not in there:
            parser.error(
                f"there is no notebook {name!r}. Allowed: {', '.join(there)}."
            )
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    for name in names or there:
        path = write(FOLDER / f"{name}.py")
        print(f"wrote {path.relative_to(ROOT)}", flush=True)


if __name__ == "__main__":
    main()
