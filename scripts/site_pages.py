#!/usr/bin/env python3
"""Makes links of the pages that a site can't follow lead to the repository.

    python scripts/site_pages.py build/pages

A site has no page for a folder, and serves a notebook as the text of its file.
"""

import configparser
import re
import sys
from pathlib import Path

from marks import ROOT

# The target of a link: a folder, or a notebook.
TARGET = re.compile(
    r"(?<=\]\()(?:\.\./)*((configs|notebooks)(?:/(\w+\.ipynb))?)/?(?=[)#])"
)


def repository() -> str:
    """Returns the address of the repository, as setup.cfg has it."""
    setup = configparser.RawConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup["metadata"]["url"]


def linked(text: str) -> str:
    """Returns a page whose links to folders and notebooks leave the site.

    Args:
        text: the page, in Markdown.
    """
    return TARGET.sub(
        lambda found: (
            f"{repository()}/{'blob' if found[3] else 'tree'}/main/{found[1]}"
        ),
        text,
    )


def main():
    for page in Path(sys.argv[1]).rglob("*.md"):
        page.write_text(linked(page.read_text()))


if __name__ == "__main__":
    main()
