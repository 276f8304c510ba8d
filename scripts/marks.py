"""What scripts write: CSV files, and tables in pages between two marks."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def write_csv(path: Path, rows: Iterable[Mapping]) -> None:
    """Writes a CSV file, whole or not at all.

    Args:
        path: the file.
        rows: its rows, at least one; the first names the columns.
    """
    rows = list(rows)
    # Here, since it imports keras, which not every script needs.
    from keras_senet.replace import replaced

    with replaced(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def put_between_marks(page: Path, name: str, table: str) -> None:
    """Replaces what a page has between `<!-- NAME -->` and its end.

    Args:
        page: the Markdown file, which has both marks.
        name: the name of the marks.
        table: what goes between them.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = page.read_text().split(begin)
    _, after = rest.split(end)
    from keras_senet.replace import replaced

    with replaced(page) as partial:
        partial.write_text(f"{before}{begin}\n{table}\n{end}{after}")


def markdown(header: list[str], rows: list[list]) -> str:
    """Returns a table.

    Args:
        header: titles of the columns.
        rows: their cells.

    Returns:
        Markdown, with a line's end.
    """
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
