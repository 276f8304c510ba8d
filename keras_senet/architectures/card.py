"""Models that describe themselves."""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from numbers import Integral, Real

import h5py
import keras

from keras_senet.architectures.table import NETWORKS
from keras_senet.architectures.variants import differences, from_record

# The attribute of a .weights.h5 file that says which network it is of.
RECORD = "keras_senet_record"


@dataclass
class Card:
    """What a model is and how it wants to be used.

    Attributes:
        network: name of the network in the registry.
        title: its name as the paper writes it.
        record: the fields of its `Network` record.
        weights: tag or file of the weights it started from, or `None`.
        input_size: height and width in pixels for evaluation.
        crop: part of the resized image's short side that the centre crop of
            `input_size` keeps.
        interpolation: how it is resized, `"bilinear"` or `"bicubic"`.
        normalization: `{"mean": [...], "std": [...]}` in pixel values.
        data_format: `"channels_last"` or `"channels_first"`.
        include_preprocessing: whether the model normalises inside, so that it
            takes pixels in [0, 255].
        class_names: names of the classes, in the order of the outputs.
        licence: SPDX name of the weights' licence.
        origin: who made the weights, and how.
        published: accuracy as published, such as `{"top1": 0.7765}`.
        measured: accuracy as measured with this package.

    Example:

    >>> from keras_senet.architectures.card import Card
    >>> Card("se_resnet50", "SE-ResNet-50", {}, crop=1.0).input_size
    (224, 224)
    """

    network: str
    title: str
    record: dict
    weights: str | None = None
    input_size: tuple[int, int] = (224, 224)
    crop: float = 0.875
    interpolation: str = "bilinear"
    normalization: dict = field(default_factory=dict)
    data_format: str = "channels_last"
    include_preprocessing: bool = True
    class_names: list[str] | None = None
    licence: str | None = None
    origin: str | None = None
    published: dict | None = None
    measured: dict | None = None

    @classmethod
    def from_dict(cls, facts: dict) -> "Card":
        """Returns the card of the facts that `to_dict` gave.

        Args:
            facts: the fields; those that a later version of this package may
                add are left out.

        Returns:
            A `Card`, unchecked.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        card = cls(**{key: facts[key] for key in facts.keys() & known})
        card.input_size = tuple(card.input_size)
        return card

    def check(self) -> None:
        """Raises an error if images can't be prepared by it.

        Raises:
            ValueError: for a size, crop, interpolation or normalization that
                is none.
        """
        sizes, names = self.input_size, self.class_names
        allowed = None
        if (
            not isinstance(sizes, (tuple, list))
            or len(sizes) != 2
            or not all(isinstance(n, Integral) and 0 < n < 1e5 for n in sizes)
        ):
            allowed = "input_size", "a pair (height, width) of pixels"
        elif not isinstance(self.crop, Real) or not 0.1 <= self.crop <= 1:
            allowed = "crop", "a number from 0.1 to 1"
        elif self.interpolation not in ("bilinear", "bicubic"):
            allowed = "interpolation", "'bilinear' or 'bicubic'"
        elif self.data_format not in ("channels_last", "channels_first"):
            allowed = "data_format", "'channels_last' or 'channels_first'"
        elif not _is_normalization(self.normalization):
            allowed = (
                "normalization",
                "{'mean': [numbers], 'std': [numbers greater than 0]}",
            )
        elif isinstance(names, (str, bytes, dict)) or (
            names is not None and not hasattr(names, "__len__")
        ):
            allowed = "class_names", "None or a list of names"
        if allowed:
            raise ValueError(
                f"`card.{allowed[0]}` is {getattr(self, allowed[0])!r}. "
                f"Allowed: {allowed[1]}."
            )

    def changed(self) -> str:
        """Returns in words what the network has that it has not by default.

        Returns:
            Text such as `reduction=4 (not 16)`, or nothing.
        """
        if self.network not in NETWORKS or not self.record:
            return ""
        record = from_record(self.record)
        return differences(NETWORKS[self.network], record)

    def to_dict(self) -> dict:
        """Returns the facts as JSON has them.

        Returns:
            Dictionary of plain Python values.

        Raises:
            ValueError: if images can't be prepared by the card.
        """
        self.check()
        facts = dataclasses.asdict(self)
        facts["input_size"] = [int(side) for side in self.input_size]
        if self.class_names is not None:
            # Such as numpy's strings, or the folders that hold the images.
            facts["class_names"] = [str(name) for name in self.class_names]
        if self.weights is not None:
            facts["weights"] = str(self.weights)
        return facts

    def __str__(self):
        """One line a fact, without the record and long lists of names."""
        facts = dataclasses.asdict(self)
        del facts["record"]
        changed = self.changed()
        if changed:
            facts["changed"] = changed
        names = self.class_names
        if names and len(names) > 10:
            facts["class_names"] = f"{len(names)}: {', '.join(names[:3])}, …"
        return "\n".join(f"{key}: {value}" for key, value in facts.items())


def _is_normalization(value):
    if not isinstance(value, dict) or not {"mean", "std"} <= value.keys():
        return False
    parts = (value["mean"], value["std"])
    return all(
        isinstance(part, (list, tuple))
        and part
        and all(isinstance(number, Real) for number in part)
        for part in parts
    ) and all(number > 0 for number in parts[1])


@keras.saving.register_keras_serializable("keras_senet")
class DescribedModel(keras.Model):
    """A functional model with a card that survives `.keras`.

    `model.card` is a `Card`; change its attributes to describe a model that
    was trained further, such as
    `model.card.class_names = ["cat", "dog"]`.

    Example:

    >>> model = keras_senet.SEResNet20(weights=None, classes=2)
    >>> model.card.class_names = ["cat", "dog"]
    >>> model.save("pets.keras")
    >>> keras.models.load_model("pets.keras").card.class_names
    ['cat', 'dog']
    """

    card: Card | None = None

    def save(self, filepath, *args, **kwargs):
        """Saves the model, once its card is known to be whole."""
        if self.card is not None:
            json.dumps(self.card.to_dict())
            names, shape = self.card.class_names, self.output_shape
            classes = shape[-1] if isinstance(shape, tuple) else None
            if names is not None and len(names) != classes:
                raise ValueError(
                    f"`card.class_names` has {len(names)} names, and the model "
                    f"{classes} outputs. Give one name per class, or None."
                )
        return super().save(filepath, *args, **kwargs)

    def save_weights(self, filepath, *args, **kwargs):
        """Saves the weights, and which network they are of."""
        super().save_weights(filepath, *args, **kwargs)
        if self.card is not None and os.fspath(filepath).endswith(".h5"):
            with h5py.File(filepath, "a") as file:
                file.attrs[RECORD] = json.dumps(self.card.record)

    def get_config(self):
        config = super().get_config()
        if self.card is not None:
            config["card"] = self.card.to_dict()
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        card = config.pop("card", None)
        model = super().from_config(config, custom_objects=custom_objects)
        if card is not None:
            model.card = Card.from_dict(card)
        return model
