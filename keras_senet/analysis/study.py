"""A folder of tables and pictures: what the SE blocks of a network do."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from keras_senet.analysis.excitation import Excitations, excitations, role
from keras_senet.analysis.figures import (
    plot_depth,
    plot_excitations,
    plot_spread,
)
from keras_senet.analysis.removal import (
    accuracy_without,
    block_groups,
    stage_groups,
    suggest,
)
from keras_senet.architectures.card import DescribedModel
from keras_senet.data.images import ImageError, read_image
from keras_senet.data.labelled import LabelledImages
from keras_senet.data.readable import unreadable
from keras_senet.evaluation.classes import find_outputs
from keras_senet.inputs import prepare
from keras_senet.open import card_of
from keras_senet.plots import check_matplotlib
from keras_senet.replace import replaced

# Part of the images by which top-1 may fall without a block that can go, and
# images of which one is that part.
AT_MOST, ENOUGH = 0.001, 1000
MEAN, IDENTITY = "mean gates", "gates of one"


def study(
    model: DescribedModel,
    images: LabelledImages,
    out: str | Path,
    classes: list[str] | None = None,
    batch_size: int = 32,
    track: Callable[[range, str], Iterable] = lambda steps, what: steps,
) -> dict:
    """Measures the SE blocks of a network and writes what was found.

    Writes `gates.csv` (mean and standard deviation of every channel's gate for
    some classes and for all images), `blocks.csv` (the role of every block, and
    top-1 without it), `removal.csv` (top-1 without blocks, without stages and
    without all that can go), `suggestions.txt` (the same of stages in words,
    and what can go), and the pictures `gates.png`, `spread.png` and
    `depth.png`. The images are read a batch at a time, three times, and once
    more if blocks can go.

    Args:
        model: a classifier of this package with SE blocks.
        images: the images; they are cropped as the model's card says.
        out: the folder, made if it is missing.
        classes: names of the classes that are drawn and written, those of the
            images (such as WordNet's ids) or of the model's card; or `None`
            for the first five. They are drawn by the card's names. Defaults to
            `None`.
        batch_size: images per step. Defaults to `32`.
        track: function of the range of the steps and what they are for that
            returns what is gone through, such as a progress bar. Defaults to
            the range itself.

    Returns:
        Dictionary: `"blocks"` and `"removal"`, the rows of these files,
        `"suggested"`, the names of the blocks that can go, and
        `"suggestions"`, the sentences of that file.

    Raises:
        ImportError: without matplotlib.
        ValueError: if the model is no classifier with SE blocks, the classes
            don't fit it, or there is no such class.
        ImageError: if an image can't be read; it names it.

    Example:

    >>> from keras_senet.analysis.study import study
    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> images = open_images("folder:photos", "validation")
    >>> found = study(model, images, "out")
    >>> found["blocks"][0]["block"]
    'conv2_block1_se'

    Reference:
        The paper's section 7.2.
    """
    check_matplotlib()
    card = card_of(model)
    places = find_outputs(
        images.class_names,
        card.class_names,
        model.output_shape[-1],
        images.name,
    )
    labels, out = places[images.labels], Path(out)
    drawn = _drawn(images, places, card.class_names, classes)
    alone, together = block_groups(model), stage_groups(model)
    if out.exists() and not out.is_dir():
        raise ValueError(f"`out` is {str(out)!r}, a file. Give a folder.")
    out.mkdir(parents=True, exist_ok=True)

    def read(what):
        return _batches(model, images, batch_size, track, what)

    found = excitations(model, read("gates"), labels)
    roles = role(found)
    means = {name: found.overall(name)[0] for name in found.mean}
    groups = {**alone, **{f"all of {k}": v for k, v in together.items()}}
    removed = {
        MEAN: accuracy_without(
            model, read("removal, mean gates"), labels, groups, means
        ),
        IDENTITY: accuracy_without(
            model, read("removal, gates of one"), labels, groups
        ),
    }
    suggested = [x for x in suggest(removed[MEAN], AT_MOST) if x in alone]
    if suggested:
        removed[MEAN] += accuracy_without(
            model,
            read("removal, all that can go"),
            labels,
            {"all suggested": suggested},
            means,
        )[1:]
    blocks = _beside(roles, removed)
    rows = [
        {"replaced_by": how, **row}
        for how, some in removed.items()
        for row in some
    ]
    _write(out / "gates.csv", _gate_rows(found, drawn))
    _write(out / "blocks.csv", blocks)
    _write(out / "removal.csv", rows)
    suggestions = _suggestions(removed, together, suggested, len(images))
    with replaced(out / "suggestions.txt") as partial:
        partial.write_text(
            "".join(f"{line}\n" for line in suggestions), encoding="utf-8"
        )
    plot_excitations(found, out / "gates.png", drawn)
    plot_spread(found, out / "spread.png", dict(list(drawn.items())[:2]))
    plot_depth(roles, removed, out / "depth.png")
    return {
        "blocks": blocks,
        "removal": rows,
        "suggested": suggested,
        "suggestions": suggestions,
    }


def _drawn(images, places, known, names):
    """Output -> name of the classes that are drawn."""
    there = {}
    for number in np.unique(images.labels):
        own, output = images.class_names[number], int(places[number])
        there[output] = (known[output] if known else own, own)
    if not names:
        return {output: name for output, (name, _) in [*there.items()][:5]}
    chosen = {}
    for name in names:
        found = [output for output, both in there.items() if name in both]
        if not found:
            some = [" = ".join(dict.fromkeys(x)) for x in there.values()]
            raise ValueError(
                f"{images.name} has no image of a class {name!r}. It has: "
                f"{', '.join(some[:10])}{', …' if some[10:] else ''}."
            )
        chosen[found[0]] = there[found[0]][0]
    return chosen


def _suggestions(removed, stages, suggested, count):
    """What taking SE out changes, in sentences."""
    found = {
        how: {row["removed"]: row for row in rows}
        for how, rows in removed.items()
    }
    lines = []
    for stage in stages:
        name = f"all of {stage}"
        changes = " or ".join(
            f"{100 * rows[name]['change']:+.2f} points ({how})"
            for how, rows in found.items()
        )
        lines.append(
            f"SE in {stage} costs {found[MEAN][name]['share']:.2%} of the "
            f"parameters; without it top-1 changes by {changes}."
        )
    if count < ENOUGH:
        lines.append(
            f"{count:,} images are too few to say which blocks can go, as one "
            f"of them is {100 / count:.2g} points: take {ENOUGH:,} or more."
        )
    lines.append(
        f"Can go for {100 * AT_MOST:g} points at most each, replaced by mean "
        "gates: "
        f"{', '.join(suggested) or 'none'}."
    )
    if suggested:
        together = found[MEAN]["all suggested"]
        lines.append(
            f"Together they cost {together['share']:.2%} of the parameters; "
            "without them top-1 changes by "
            f"{100 * together['change']:+.2f} points."
        )
    return lines


def _batches(model, images, size, track, what) -> Iterator[np.ndarray]:
    for start in track(range(0, len(images), size), what):
        numbers = range(start, min(start + size, len(images)))
        yield np.stack([_prepared(images, number, model) for number in numbers])


def _prepared(images, number, model):
    image = images.read(number).numpy()
    if isinstance(image, bytes):
        try:
            image = read_image(io.BytesIO(image))
        except ImageError as error:
            raise unreadable(images, [number], error) from error
    return prepare(image, model)


def _beside(roles, removed):
    """The role of every block and top-1 without it."""
    rows = []
    for one in roles:
        row = dict(one)
        for how, column in ((MEAN, "mean"), (IDENTITY, "identity")):
            without = next(
                x for x in removed[how] if x["removed"] == one["block"]
            )
            row["parameters"] = without["parameters"]
            row["share"] = without["share"]
            row[f"change_{column}"] = without["change"]
        rows.append(row)
    return rows


def _gate_rows(found: Excitations, drawn):
    for block, means in found.mean.items():
        sets = {
            name: (means[label], found.std[block][label])
            for label, name in drawn.items()
        }
        for name, (mean, std) in {**sets, "all": found.overall(block)}.items():
            for channel, pair in enumerate(zip(mean, std, strict=True)):
                yield {
                    "block": block,
                    "class": name,
                    "channel": channel,
                    "mean": f"{pair[0]:.6f}",
                    "std": f"{pair[1]:.6f}",
                }


def _write(path, rows):
    rows = iter(rows)
    first = next(rows)
    with (
        replaced(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(first))
        writer.writeheader()
        for row in (first, *rows):
            writer.writerow(
                {
                    key: round(value, 6) if isinstance(value, float) else value
                    for key, value in row.items()
                }
            )
