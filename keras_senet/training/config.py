"""What a training run is: a frozen record, which a file of `configs/` holds."""

import ast
import dataclasses
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from keras_senet.applications import find_network
from keras_senet.architectures.table import NETWORKS
from keras_senet.constructors import nearest
from keras_senet.data.pipeline import CROPS

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "float64")
SCHEDULES = ("constant", "step", "cosine", "plateau")


def _free(default):
    """A field that a run may change between two calls of the same command."""
    return dataclasses.field(default=default, metadata={"free": True})


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what a training run computes, and where it lies.

    An epoch is as many images as the training data has. Whole batches are cut
    from the endless row of epochs, so that one may reach over an epoch's end.

    Attributes:
        model: name in the registry, such as `"se_resnet50"`.
        data: training and validation images: `"folder:PATH"`, `"tfds:NAME"`,
            or arrays (see `keras_senet.data.labelled.open_images`).
        out: the run's folder, for checkpoints, curves and the trained model;
            several workers share it.
        options: arguments of the network's constructor, such as
            `{"reduction": 4, "normalization": "mean"}`. Defaults to `{}`.
        weights: tag or file to start from. Defaults to `None`: random weights.
        hold_out: part of the training images, in [0, 1), that are set aside for
            validation where the data has no split for it. Defaults to `0`.
        image_size: height and width in pixels. Defaults to `224`.
        crop: how training images are cut: `"random_size"` (8 to 100 % of the
            area, Szegedy et al. 2015) or `"padded"` (the middle, moved by up
            to an eighth). Both are flipped by chance. Defaults to
            `"random_size"`.
        validation_crop: part of the resized image's short side that the centre
            crop keeps. Defaults to `0.875`: 224 of 256 pixels.
        rand_augment: strength of two operations of RandAugment per image, 0 to
            30. Defaults to `0`: none.
        mixup: alpha of mixup (Zhang et al. 2018). Defaults to `0`: none.
        cutmix: alpha of CutMix (Yun et al. 2019); with both, each batch gets
            one of the two. Defaults to `0`: none.
        balanced: whether every class is drawn equally often, with all images of
            a class before one repeats (the paper's data balancing). Defaults to
            `False`.
        max_unreadable: number of damaged images that are skipped, and named in
            `unreadable.json`; with more nothing is trained. Defaults to `0`.
        batch_size: images per step, on all devices together. Defaults to `256`.
        accumulation: parts in which a device takes its share of a step, for
            less memory. Defaults to `1`.
        epochs: length of the run, a number greater than 0. Defaults to `100`.
        learning_rate: rate at its highest. Defaults to `0.1`.
        warmup_epochs: epochs in which the rate rises to it. Defaults to `0`.
        schedule: `"constant"`; `"step"`, times `decay_rate` after
            `decay_epochs`; `"cosine"` to zero at the end; or `"plateau"`, times
            `decay_rate` when `val_loss` has not fallen for `patience` epochs,
            three times at most. Defaults to `"step"`.
        decay_epochs: every so many epochs, or a list of epochs. Defaults to
            `30`.
        decay_rate: see `schedule`. Defaults to `0.1`.
        patience: see `schedule`, in validations. Defaults to `5`.
        momentum: of stochastic gradient descent. Defaults to `0.9`.
        nesterov: whether the momentum is Nesterov's. Defaults to `False`.
        weight_decay: factor of the squared kernels in the loss, not of biases
            and normalisation. Defaults to `1e-4`.
        clip_norm: greatest norm of all gradients together. Defaults to `0`:
            not clipped.
        label_smoothing: part of a label given to all classes alike. Defaults to
            `0`.
        ema: how much of the averaged weights stays in each step, such as
            0.9999; they are validated and saved in the weights' place. Defaults
            to `0`: no average.
        head_epochs: first epochs in which the classifier alone is trained.
            Defaults to `0`.
        frozen_norm_epochs: last epochs in which batch normalisation is fixed
            and uses its moving statistics. Defaults to `0`.
        synchronized: whether batch normalisation takes its statistics over all
            devices, or each over its own images. Defaults to `False`.
        precision: `"float32"`, `"mixed_bfloat16"`, `"mixed_float16"` (with
            scaling of the loss) or `"float64"`. Defaults to `"float32"`.
        seed: integer that decides everything random. Defaults to `0`.
        validate_every: epochs between two validations; the last epoch is always
            validated. Defaults to `1`.
        checkpoint_steps: steps between two checkpoints within an epoch; every
            epoch ends with one. Defaults to `1000`.
        strategy: `"auto"`, or one of `keras_senet.training.STRATEGIES`.
            Defaults to `"auto"`.
        steps_per_call: steps between two looks at the clock, the progress and
            signals. Defaults to `8`.
        threads: threads that read images, per worker. Defaults to `0`: one per
            core.

    Raises:
        ValueError: for a value that is not allowed.

    Example:

    >>> config = TrainConfig("se_resnet20", "tfds:cifar10", "runs/mine")
    >>> dataclasses.replace(config, epochs=20).epochs
    20

    Reference:
        The paper's section 5.1, and section 6 for the plateaus.
    """

    model: str
    data: Any
    out: str = _free("")
    options: dict = dataclasses.field(default_factory=dict)
    weights: str | None = None
    hold_out: float = 0.0
    image_size: int = 224
    crop: str = "random_size"
    validation_crop: float = 0.875
    rand_augment: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    balanced: bool = False
    max_unreadable: int = 0
    batch_size: int = 256
    accumulation: int = 1
    epochs: float = 100
    learning_rate: float = 0.1
    warmup_epochs: float = 0
    schedule: str = "step"
    decay_epochs: float | list = 30
    decay_rate: float = 0.1
    patience: int = 5
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    clip_norm: float = 0.0
    label_smoothing: float = 0.0
    ema: float = 0.0
    head_epochs: float = 0
    frozen_norm_epochs: float = 0
    synchronized: bool = False
    precision: str = "float32"
    seed: int = 0
    validate_every: int = 1
    checkpoint_steps: int = 1000
    strategy: str = _free("auto")
    steps_per_call: int = _free(8)
    threads: int = _free(0)

    def __post_init__(self):
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not _is_a(value, hints[field.name]):
                raise ValueError(
                    f"`{field.name}` is {value!r}. Allowed: "
                    f"{_words(hints[field.name])}."
                )
        if self.model not in NETWORKS:
            find_network(self.model)
        for name, allowed in (
            ("crop", tuple(CROPS)),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"`{name}` is {getattr(self, name)!r}. Allowed: "
                    f"{', '.join(map(repr, allowed))}."
                )
        for names, fits, allowed in _RANGES:
            for name in names.split():
                if not fits(getattr(self, name)):
                    raise ValueError(
                        f"`{name}` is {getattr(self, name)!r}. Allowed: "
                        f"{allowed}."
                    )

        if self.head_epochs + self.frozen_norm_epochs > self.epochs:
            raise ValueError(
                f"`head_epochs` ({self.head_epochs}) and `frozen_norm_epochs` "
                f"({self.frozen_norm_epochs}) are more than `epochs` "
                f"({self.epochs}). Allowed: as many together."
            )

    def record(self) -> dict:
        """Returns what decides the result, as JSON has it.

        Returns:
            Dictionary of the fields without those that may change between two
            calls; arrays are named by their shape.
        """
        facts = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if not field.metadata.get("free")
        }
        if not isinstance(self.data, str):
            facts["data"] = "arrays"
        return json.loads(json.dumps(facts, default=str))


# Names of fields, what their values must fulfil, and that in words.
_RANGES = (
    (
        "image_size batch_size accumulation validate_every checkpoint_steps "
        "steps_per_call",
        lambda value: value >= 1,
        "at least 1",
    ),
    (
        "epochs learning_rate decay_rate",
        lambda value: 0 < value < 1e9,
        "greater than 0",
    ),
    (
        "warmup_epochs head_epochs frozen_norm_epochs weight_decay clip_norm "
        "mixup cutmix threads max_unreadable",
        lambda value: 0 <= value < 1e9,
        "at least 0",
    ),
    (
        "hold_out momentum label_smoothing ema",
        lambda value: 0 <= value < 1,
        "from 0 to below 1",
    ),
    ("validation_crop", lambda value: 0.1 <= value <= 1, "from 0.1 to 1"),
    ("rand_augment", lambda value: 0 <= value <= 30, "from 0 to 30"),
    ("patience", lambda value: value >= 1, "at least 1"),
    (
        "decay_epochs",
        lambda value: np.size(value) and np.min(value) > 0,
        "a number greater than 0, or a list of them",
    ),
    ("seed", lambda value: 0 <= value < 2**32, "from 0 to 2**32 - 1"),
)


def _is_a(value, hint):
    if hint is Any:
        return True
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint == float | list:
        return all(_is_a(x, float) for x in np.atleast_1d(value).tolist())
    return isinstance(value, hint)


def _words(hint):
    names = {
        float: "a number",
        int: "an integer",
        bool: "True or False",
        str: "text",
        float | list: "a number or a list of numbers",
        dict: "a dictionary of the constructor's arguments",
    }
    return names.get(hint, "text or None")


def load_config(
    path: str | Path | None, changes: Sequence[str] = ()
) -> TrainConfig:
    """Reads a file of `configs/`, with changes from the command line.

    Args:
        path: a Python file that has a `TrainConfig` called `config`, or `None`.
        changes: words such as `["--epochs", "20", "--model", "resnet20"]`. A
            value is a number, text, `true`, `false`, `none`, or a dictionary as
            Python writes it. Defaults to none.

    Returns:
        A `TrainConfig`.

    Raises:
        ValueError: if the file has none, or for a field or value that is not
            allowed.

    Example:

    >>> words = ["--model", "se_resnet20", "--data", "tfds:cifar10"]
    >>> load_config(None, [*words, "--epochs", "20"]).epochs
    20
    """
    given = parse_fields(changes)
    if path is None:
        missing = [name for name in ("model", "data") if name not in given]
        if missing:
            raise ValueError(
                f"--{missing[0]} is missing. Give a file (--config FILE), or "
                "at least --model and --data."
            )
        return TrainConfig(**given)
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"The config {str(path)!r} does not exist. Give a file such as "
            "those in configs/."
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None:
        raise ValueError(
            f"The config {str(path)!r} is no Python file. Give one such as "
            "those in configs/."
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = getattr(module, "config", None)
    if not isinstance(config, TrainConfig):
        raise ValueError(
            f"The config {str(path)!r} has no TrainConfig called `config`. "
            "See the files in configs/."
        )
    return dataclasses.replace(config, **given)


def parse_fields(words: Sequence[str]) -> dict:
    """Reads fields of a `TrainConfig` from the command line.

    Args:
        words: see `load_config`.

    Returns:
        Values by the fields' names.

    Raises:
        ValueError: for a field that there is not, or one without a value.
    """
    hints = get_type_hints(TrainConfig)
    pairs, words = {}, list(words)
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if not word.startswith("--") or name not in hints:
            raise ValueError(
                f"{word!r} is no field.{nearest(name, hints)} Fields: "
                f"{', '.join(map(_option, hints))}."
            )
        if not equals:
            if not words:
                raise ValueError(f"--{name} has no value. Give one after it.")
            value = words.pop(0)
        pairs[name] = _value(value, hints[name])
    return pairs


def _option(name):
    return f"--{name.replace('_', '-')}"


def _value(text, hint):
    if hint is str:
        return text
    plain = {"true": True, "false": False, "none": None}
    if text.lower() in plain:
        return plain[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
    # A path or tag such as "12" is text where text is allowed.
    return value if _is_a(value, hint) and hint is not Any else text
