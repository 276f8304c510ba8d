"""SE blocks in a network that exists, without a change of its outputs."""

import difflib
from typing import NamedTuple

import keras

from keras_senet.cloning import clone, copy_layer, copy_state, functional
from keras_senet.layers import SqueezeExcite

# Exactly one half at zero, of which `output_scale=2` makes exactly one.
EXCITATIONS = ("sigmoid", "hard_sigmoid")


def add_squeeze_excite(
    model: keras.Model,
    reduction: float = 16,
    after: list[str] | None = None,
    squeeze: str = "avg",
    excitation: str = "sigmoid",
) -> keras.Model:
    """Returns a copy of a model with SE blocks that start as the identity.

    The gates of the new blocks are exactly one at first, so that the copy
    computes what the model computes, and training moves them from there. The
    blocks go onto the residual input of every addition of feature maps
    (`keras.layers.Add`, `+` and `keras.ops.add`), before the addition, as in
    the paper's Figure 3. In a network where this finds no place they go after
    every concatenation of feature maps.

    The residual input is the one with the most layers of its own: layers that
    it comes from and the other inputs don't. An identity shortcut has none, a
    projection fewer than the branch beside it. Among more than two inputs, all
    but the one with the fewest are residuals. Of inputs with equally many the
    first is the shortcut, as Keras' networks write it.

    A block is named after the addition or the layer it follows, such as
    `conv2_block1_add_se`, and `..._se_1` if that name is taken. It has the data
    format and the dtype policy of the nearest layer before it. The layers of a
    nested model stay as they are: it counts as one layer.

    Args:
        model: a functional `keras.Model`, or a built `keras.Sequential`. It is
            not changed; the copy shares no layers and no weights with it.
        reduction: positive number, the ratio by which a block's bottleneck is
            narrower than its map. Defaults to `16`.
        after: names of the layers (or operations) after which the blocks go
            instead, whole names as `model.summary()` shows them. A layer that
            is called several times gets a block for each call. Defaults to
            `None`: the places described above.
        squeeze: one of `"avg"`, `"max"`, `"none"`, as in `SqueezeExcite`.
            Defaults to `"avg"`.
        excitation: `"sigmoid"` or `"hard_sigmoid"`. Defaults to `"sigmoid"`.

    Returns:
        A functional model with the inputs, outputs and layer names of the
        given one (the order of `model.layers` may differ), with copies of its
        weights, of its other state (such as moving averages) and of which
        layers are trainable. The blocks are trainable, those in a frozen model
        too. It is a plain `keras.Model`, without a `train_step` of one's own,
        and not compiled, whether or not the given model is. A network of this
        package keeps its card, which goes on to describe the network that was
        given.

    Raises:
        ValueError: if `model` is neither functional nor a built Sequential,
            if it has no place for a block, if `after` names a layer that it
            does not have or one that makes no feature map (a floating-point
            tensor of rank 3, 4 or 5 with a known channel count, without a
            Keras mask), for an `excitation` that does not start at one, or
            what `SqueezeExcite` does not take.

    Example:

    >>> model = keras.applications.MobileNetV2(
    ...     input_shape=(96, 96, 3), alpha=0.35, weights=None
    ... )
    >>> se_model = keras_senet.add_squeeze_excite(model)
    >>> x = np.random.rand(1, 96, 96, 3).astype("float32")
    >>> bool(np.abs(se_model(x) - model(x)).max() < 1e-5)
    True
    >>> [x.name for x in se_model.layers if x.name.endswith("_se")][:2]
    ['block_2_add_se', 'block_4_add_se']

    Reference:
        [Squeeze-and-Excitation Networks](https://arxiv.org/abs/1709.01507),
        section 3.3 and Figure 3.
    """
    if excitation not in EXCITATIONS:
        raise ValueError(
            f"`excitation` is {excitation!r}, with which the gates can't start "
            "at exactly one. Allowed: "
            f"{', '.join(map(repr, EXCITATIONS))}."
        )
    arguments = {
        "reduction": reduction,
        "squeeze": squeeze,
        "excitation": excitation,
        "output_scale": 2.0,
        "expand_initializer": "zeros",
    }
    # For the layer's own errors, before any work.
    SqueezeExcite(**arguments)
    graph = functional(model)
    if after is not None:
        return _copy_with_blocks(graph, arguments, after=_known(after, graph))
    for kind in ("Add", "Concatenate"):
        if any(_is(operation, kind) for operation in graph.operations):
            result = _copy_with_blocks(graph, arguments, kind=kind)
            if len(result.operations) > len(graph.operations):
                return result
    raise ValueError(
        f"{model.name} has no addition and no concatenation of feature maps, "
        "which is where SE blocks go of themselves. Name the layers after "
        "which they should go: `after=[...]`, with names that "
        "`model.summary()` shows."
    )


def _known(after, graph):
    """Returns `after` as a set, once all its names are the model's."""
    names = list(after) if isinstance(after, list | tuple | set) else [after]
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"`after` is {after!r}. Allowed: a list of one or more layer "
            "names, or None."
        )
    known = [
        operation.name
        for operation in graph.operations
        if not isinstance(operation, keras.layers.InputLayer)
    ]
    unknown = [name for name in names if name not in known]
    if unknown:
        near = [x for y in unknown for x in difflib.get_close_matches(y, known)]
        near = ", ".join(map(repr, near))
        raise ValueError(
            f"`after` names {', '.join(map(repr, unknown))}, which the model "
            f"{graph.name} does not have (inputs and the layers inside of "
            f"nested models don't count). {f'Near: {near}. ' if near else ''}"
            "Give names that `model.summary()` shows."
        )
    return set(names)


def _is(operation, kind):
    """Whether it is a layer, or an operation such as `+`, of that kind.

    Keras has no public name for the classes of operations.
    """
    layer = getattr(keras.layers, kind)
    return isinstance(operation, layer) or type(operation).__name__ == kind


def _copy_with_blocks(graph, arguments, kind=None, after=()):
    surgery = _Surgery(graph, arguments, kind, after)
    result = clone(graph, surgery.copy, surgery.call)
    for layer in graph.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            copy_state(layer, surgery.copies[id(layer)])
    return result


class _Origin(NamedTuple):
    """What is known of a tensor while the graph is called anew."""

    # The numbers of the calls that it comes from.
    calls: frozenset = frozenset()
    # Those of the nearest layer before it that has them.
    data_format: str | None = None
    dtype_policy: keras.DTypePolicy | None = None


class _Surgery:
    """Copies layers, and calls the copies with blocks where they go.

    Args:
        graph: the functional model.
        arguments: those of the blocks.
        kind: `"Add"`, `"Concatenate"` or `None`, where the blocks go.
        after: names of the operations that they follow.
    """

    def __init__(self, graph, arguments, kind, after):
        self.arguments = arguments
        self.kind = kind
        self.after = after
        self.names = {operation.name for operation in graph.operations}
        self.copies = {}
        self.origins = {}
        self.count = 0

    def copy(self, layer):
        # One memory for the model and those nested in it, so that a layer
        # that both use is one layer in the copy too.
        if id(layer) not in self.copies:
            self.copies[id(layer)] = copy_layer(layer, self.copy)
        return self.copies[id(layer)]

    def call(self, operation, *args, **kwargs):
        inputs = _tensors((args, kwargs))
        if self.kind == "Add" and _is(operation, "Add"):
            gated = {
                x: self.gate(x, operation.name) for x in self.residuals(inputs)
            }
            args, kwargs = keras.tree.map_structure(
                lambda x: gated.get(x, x) if _is_tensor(x) else x,
                (args, kwargs),
            )
        outputs = operation(*args, **kwargs)
        self.remember(operation, inputs, outputs)
        if operation.name in self.after:
            self.check_maps(outputs, operation.name)
        elif self.kind != "Concatenate" or not _is(operation, "Concatenate"):
            return outputs
        return keras.tree.map_structure(
            lambda x: self.gate(x, operation.name) if self.is_map(x) else x,
            outputs,
        )

    def remember(self, operation, inputs, outputs):
        origins = [self.origin(x) for x in inputs]
        data_formats = [x.data_format for x in origins if x.data_format]
        policies = [x.dtype_policy for x in origins if x.dtype_policy]
        self.count += 1
        origin = _Origin(
            frozenset({self.count}).union(*(x.calls for x in origins)),
            _last(operation, "data_format") or next(iter(data_formats), None),
            _last(operation, "dtype_policy") or next(iter(policies), None),
        )
        self.origins.update(dict.fromkeys(_tensors(outputs), origin))

    def origin(self, x):
        # The model's inputs come from nothing.
        return self.origins.get(x, _Origin())

    def residuals(self, inputs):
        """Returns the inputs of an addition that are not its shortcut."""
        if len(inputs) < 2 or not all(map(self.is_map, inputs)):
            return []

        def size(x):
            others = (self.origin(y).calls for y in inputs if y is not x)
            calls = self.origin(x).calls
            return len(calls.difference(*others)), len(calls)

        if max(map(size, inputs))[0] == 0:
            # Parts of one tensor: neither is a branch.
            return []
        shortcut = min(inputs, key=size)
        return [x for x in inputs if x is not shortcut]

    def is_map(self, x):
        axis = 1 if self.data_format(x) == "channels_first" else -1
        return (
            len(x.shape) in (3, 4, 5)
            and x.shape[axis] is not None
            and keras.backend.is_float_dtype(x.dtype)
            # A block would count padding, and Keras would drop the mask.
            and getattr(x, "_keras_mask", None) is None
        )

    def check_maps(self, outputs, name):
        if not any(map(self.is_map, _tensors(outputs))):
            shapes = [str(tuple(x.shape)) for x in _tensors(outputs)]
            raise ValueError(
                f"`after` names {name!r}, whose output of shape "
                f"{', '.join(shapes)} is no feature map. Allowed: a "
                "floating-point tensor of rank 3, 4 or 5 with a known channel "
                "count, without a Keras mask. Name another layer."
            )

    def data_format(self, x):
        return self.origin(x).data_format or keras.config.image_data_format()

    def gate(self, x, name):
        origin = self.origin(x)
        policy = origin.dtype_policy
        if (
            policy is None
            or policy.quantization_mode
            # After an operation that casts.
            or policy.compute_dtype != x.dtype
        ):
            policy = x.dtype
        block = SqueezeExcite(
            **self.arguments,
            data_format=self.data_format(x),
            dtype=policy,
            name=self.unused(f"{name}_se"),
        )
        gated = block(x)
        # The blocks don't count as layers of a branch.
        self.origins[gated] = origin
        return gated

    def unused(self, name):
        candidate, number = name, 0
        while candidate in self.names:
            number += 1
            candidate = f"{name}_{number}"
        self.names.add(candidate)
        return candidate


def _is_tensor(x):
    return isinstance(x, keras.KerasTensor)


def _tensors(structure):
    """Returns the tensors in a nested structure, each once, in order."""
    leaves = keras.tree.flatten(structure)
    return list(dict.fromkeys(x for x in leaves if _is_tensor(x)))


def _last(operation, attribute):
    """The attribute of a layer, or of the last layer in a model with it."""
    if isinstance(operation, keras.Model):
        found = (_last(x, attribute) for x in reversed(operation.layers))
        return next(filter(None, found), None)
    return getattr(operation, attribute, None)
