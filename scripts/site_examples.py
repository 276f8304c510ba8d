"""Examples of docstrings as code, on the site that scripts/site builds."""

import re
import textwrap

import griffe

# As doctest reads them: the lines after the title, up to an empty one.
EXAMPLE = re.compile(r"^Example:\n\n((?:.+\n?)+)", re.MULTILINE)


class Examples(griffe.Extension):
    """Makes sections of them as the reader of docstrings expects them."""

    def on_object(self, *, obj, **kwargs):
        """Called with every object of the package."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(
                lambda found: "Examples:\n" + textwrap.indent(found[1], "    "),
                obj.docstring.value,
            )
