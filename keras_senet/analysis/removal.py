"""What a network loses without some of its SE blocks (section 7.2)."""

from collections.abc import Iterable

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_senet.analysis.batches import batches, check_count, check_labels
from keras_senet.analysis.cost import count, learned, stage_of
from keras_senet.analysis.excitation import se_blocks
from keras_senet.cloning import clone, functional


def accuracy_without(
    model: keras.Model,
    images: np.ndarray | Iterable[np.ndarray],
    labels: ArrayLike,
    groups: dict[str, list[str]],
    constants: dict[str, np.ndarray] | None = None,
    batch_size: int = 32,
) -> list[dict]:
    """Measures a network's accuracy with the gates of some SE blocks fixed.

    Nothing is trained again. A block whose gates are its mean gates costs
    nothing more, since a constant can be multiplied into the layer before it:
    what it loses is that the gates depend on the image.

    Args:
        model: a classifier, functional, with `SqueezeExcite` layers.
        images: as `excitations` takes them; they are read once.
        labels: the right output of each image, integers, `(count,)`.
        groups: name -> names of the SE layers that are removed together, such
            as `{"last": ["conv4_block3_se"]}`; `block_groups` and
            `stage_groups` make some.
        constants: name of the SE layer -> gates that stand for those of its
            block, of shape `(channels,)`, such as the mean gates (`overall` of
            an `Excitations`); or `None` for the plain identity, gates of one.
            Defaults to `None`.
        batch_size: images per step of an array. Defaults to `32`.

    Returns:
        A dictionary per group, and one named `"none"` before them, for which
        nothing is removed: `"removed"`, `"parameters"` (of the blocks),
        `"share"` (of the model's, 0 to 1), `"top1"` (0 to 1), `"change"` (of
        top-1, -1 to 1) and `"changed"` (part of the images whose predicted
        class is another, 0 to 1).

    Raises:
        ValueError: if the model has no such block or is no classifier, for
            constants of another shape, or if there is not one label per image.

    Example:

    >>> model = keras_senet.SEResNet20(weights="cifar10")
    >>> photos, labels = np.zeros((2, 32, 32, 3)), [0, 1]
    >>> rows = accuracy_without(model, photos, labels, stage_groups(model))
    >>> [row["removed"] for row in rows]
    ['none', 'conv2', 'conv3', 'conv4']
    >>> rows[3]["parameters"]
    1740

    Reference:
        The paper's section 7.2: the last stage's blocks matter less than the
        others and cost most of the parameters.
    """
    labels = check_labels(images, labels)
    switches = _checked(model, groups, constants)
    switched = clone(functional(model), lambda x: switches.get(x.name, x))
    groups = {"none": [], **groups}
    predicted = {name: [] for name in groups}
    for part in batches(images, model, batch_size):
        for name, removed in groups.items():
            for block, switch in switches.items():
                switch.removed.assign(float(block in removed))
            outputs = np.asarray(switched.predict_on_batch(part))
            predicted[name].append(outputs.argmax(-1))
    whole = np.concatenate(predicted["none"])
    check_count(len(labels), len(whole), labels)
    total = count(learned(model))
    rows = []
    for name, removed in groups.items():
        found = np.concatenate(predicted[name])
        parameters = sum(count(learned(switches[x].block)) for x in removed)
        rows.append(
            {
                "removed": name,
                "parameters": parameters,
                "share": parameters / total,
                "top1": float((found == labels).mean()),
                "change": float(
                    (found == labels).mean() - (whole == labels).mean()
                ),
                "changed": float((found != whole).mean()),
            }
        )
    return rows


def block_groups(model: keras.Model) -> dict[str, list[str]]:
    """Returns every SE block as a group of its own.

    Args:
        model: a functional model with `SqueezeExcite` layers.

    Returns:
        Name of the SE layer -> list of that name.

    Raises:
        ValueError: if the model has no SE block.

    Example:

    >>> block_groups(keras_senet.SEResNet20(weights=None))["conv4_block3_se"]
    ['conv4_block3_se']

    Reference:
        The paper's section 7.2.
    """
    return {block.name: [block.name] for block in se_blocks(model)}


def stage_groups(model: keras.Model) -> dict[str, list[str]]:
    """Returns the SE blocks of every stage as a group.

    Args:
        model: a functional model with `SqueezeExcite` layers.

    Returns:
        Name of the stage, as its layers' names begin -> names of its SE layers.

    Raises:
        ValueError: if the model has no SE block.

    Example:

    >>> stage_groups(keras_senet.SEResNet20(weights=None))["conv4"]
    ['conv4_block1_se', 'conv4_block2_se', 'conv4_block3_se']

    Reference:
        The paper's section 6.4, Table 13, and section 7.2.
    """
    groups = {}
    for block in se_blocks(model):
        groups.setdefault(stage_of(block.name), []).append(block.name)
    return groups


def suggest(rows: list[dict], at_most: float = 0.001) -> list[str]:
    """Names the groups that can go, by what their removal changed.

    Each was removed alone: measure those that are suggested once more together,
    on images that they were not chosen by.

    Args:
        rows: what `accuracy_without` returned.
        at_most: part of the images by which top-1 may fall. Defaults to
            `0.001`, a tenth of a point.

    Returns:
        Names of the groups, those with the most parameters first.

    Example:

    >>> suggest(
    ...     [
    ...         {"removed": "none", "change": 0.0, "parameters": 0},
    ...         {"removed": "conv3", "change": -0.02, "parameters": 486},
    ...         {"removed": "conv4", "change": -0.0005, "parameters": 1740},
    ...     ]
    ... )
    ['conv4']

    Reference:
        The paper's section 7.2, which leaves out the last stage's.
    """
    # Rounded: 0.909 - 0.910 is a little more than a tenth of a point.
    found = [
        row
        for row in rows
        if row["parameters"] and round(row["change"], 9) >= -at_most
    ]
    found.sort(key=lambda row: -row["parameters"])
    return [row["removed"] for row in found]


def _checked(model, groups, constants):
    """Name of the block -> its switch, once all of it fits."""
    if len(model.output_shape) != 2:
        raise ValueError(
            f"{model.name} is no classifier: its output is "
            f"{model.output_shape}. Build it with `include_top=True`."
        )
    blocks = {block.name: block for block in se_blocks(model)}
    switches = {}
    for name in {name: None for names in groups.values() for name in names}:
        if name not in blocks:
            raise ValueError(
                f"{model.name} has no SE block {name!r}. It has: "
                f"{', '.join(blocks)}."
            )
        channels = blocks[name].reduce_kernel.shape[-2]
        gates = np.ones(channels)
        if constants is not None:
            gates = np.asarray(constants.get(name))
            if gates.shape != (channels,):
                raise ValueError(
                    f"`constants` has gates of shape {gates.shape} for "
                    f"{name}. Allowed: ({channels},), one per channel."
                )
        switches[name] = _Switch(blocks[name], gates)
    return switches


class _Switch(keras.layers.Layer):
    """An SE block whose gates can be made constant."""

    def __init__(self, block, gates):
        super().__init__(dtype=block.dtype_policy)
        self.block = block
        if block.data_format == "channels_first":
            gates = gates.reshape(-1, *[1] * (block.input_spec.ndim - 2))
        self.constant = gates.astype("float32")

    def build(self, _):
        self.removed = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="removed"
        )

    def call(self, x):
        constant = keras.ops.cast(self.constant, x.dtype)
        found = self.block.excite(x)
        return x * keras.ops.where(self.removed > 0, constant, found)
