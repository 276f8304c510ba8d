#!/usr/bin/env python3
"""Writes the page of the site that documents every constructor.

    python scripts/site_networks.py build/pages/docs/networks.md

Constructors are made from the table of networks when the package is imported,
so that their documentation is in no file that the site's tools could read.
"""

import inspect
import os
import re
import sys
import textwrap
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_senet.applications import CONSTRUCTORS

HEAD = """# Networks

The constructors, each with the keywords that its network takes. What the
networks cost and the weights there are: `keras-senet list`.
"""
# A title on a line of its own, and what is indented or begins with `>>>` and
# follows it.
SECTION = re.compile(
    r"^(\w[\w ]*):\n+((?:(?: {4}|>>>).*\n|.*\n(?=\n|$))*)", re.M
)
ARGUMENT = re.compile(r"^ {4}(\w+): ", re.M)


def section(found: re.Match) -> str:
    """A section of a docstring as Markdown."""
    title, text = found[1], found[2].rstrip()
    if title == "Example":
        return f"**{title}**\n\n```pycon\n{text}\n```\n"
    if title in ("Args", "Raises"):
        text = ARGUMENT.sub(r"- `\1`: ", text)
    elif title == "Reference":
        text = re.sub(r"^ {4}", "- ", text, flags=re.M)
    text = re.sub(r"^ {4,}", "", text, flags=re.M)
    text = re.sub(r"^(?!- )", "  ", text, flags=re.M) if "- " in text else text
    return f"**{title}**\n\n{text}\n"


def page() -> str:
    """The page, in Markdown."""
    parts = [HEAD]
    for function in CONSTRUCTORS.values():
        name = function.__name__
        signature = inspect.signature(function)
        bare = [
            p.replace(annotation=p.empty) for p in signature.parameters.values()
        ]
        call = f"keras_senet.{name}{inspect.Signature(bare)}"
        call = textwrap.fill(call, 80, subsequent_indent="    ")
        text = inspect.getdoc(function) + "\n"
        text = SECTION.sub(section, text)
        parts.append(f"## {name}\n\n```python\n{call}\n```\n\n{text}")
    return "\n".join(parts)


def main():
    Path(sys.argv[1]).write_text(page())


if __name__ == "__main__":
    main()
