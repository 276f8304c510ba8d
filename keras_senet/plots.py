"""Pictures, drawn by matplotlib without a screen."""

from pathlib import Path

from keras_senet.replace import replaced


def check_matplotlib() -> None:
    """Raises an error where matplotlib is missing, before work starts.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib. Install it: pip install "
            '"keras_senet[plot]"'
        ) from error


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1):
    """Returns an empty picture.

    Args:
        width: in inches.
        height: in inches.
        rows: rows of axes. Defaults to `1`.
        columns: columns of axes. Defaults to `1`.

    Returns:
        A matplotlib figure and its axes, an array of them if there are several.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def save(figure, path: Path) -> None:
    """Writes a picture that is whole or not there.

    Args:
        figure: a matplotlib figure.
        path: the file.
    """
    with replaced(path) as partial:
        figure.savefig(partial, dpi=130)
