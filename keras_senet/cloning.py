"""Copies of functional models, where `keras.models.clone_model` falls short.

It compiles the copy of a compiled model, loses the names of the inputs, can't
read Lambda layers back, and ends the sharing of layers between a model and
those nested in it.
"""

import copy
from collections.abc import Callable

import keras

from keras_senet.architectures.card import DescribedModel


def functional(model: keras.Model) -> keras.Model:
    """Returns an uncompiled functional model of the same layers.

    `clone_model` would compile the copy of a compiled model, with an optimizer
    that knows nothing of the new weights.

    Args:
        model: a functional model, or a built `keras.Sequential`.

    Returns:
        A functional model that shares the layers, and has a copy of the card.

    Raises:
        ValueError: for another kind of model.
    """
    if isinstance(model, keras.Sequential):
        # Without a graph there are none, and asking raises AttributeError.
        if not getattr(model, "inputs", None):
            raise ValueError(
                f"The Sequential model {model.name} is not built, so that the "
                "shapes of its feature maps are unknown. Start it with a "
                "keras.Input or call `model.build(input_shape)` first."
            )
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if not _is_functional(model):
        raise ValueError(
            f"`model` is {model!r}, whose layers are not known as a graph. "
            "Allowed: a functional keras.Model or a built keras.Sequential. "
            "Of a subclassed model, give the functional model inside it, or "
            "use keras_senet.SqueezeExcite in its `call`."
        )
    kind = DescribedModel if isinstance(model, DescribedModel) else keras.Model
    graph = kind(model.input, model.output, name=model.name)
    if kind is DescribedModel:
        graph.card = copy.deepcopy(model.card)
    return graph


def _is_functional(model):
    # Keras has no public name for the class.
    return isinstance(model, keras.Model) and isinstance(model, keras.Function)


def clone(
    graph: keras.Model,
    clone_function: Callable,
    call_function: Callable | None = None,
) -> keras.Model:
    """Clones a model and keeps the names of its inputs and its card.

    Args:
        graph: what `functional` returned.
        clone_function: function layer -> layer.
        call_function: function (layer, inputs) -> outputs, or `None` for the
            plain call. Defaults to `None`.

    Returns:
        A functional model.
    """
    layers = {
        id(layer.output): layer
        for layer in graph.layers
        if isinstance(layer, keras.layers.InputLayer)
    }
    inputs = keras.tree.map_structure(
        lambda x: _from_config(layers[id(x)]).output, graph.input
    )
    made = keras.models.clone_model(
        graph,
        input_tensors=inputs,
        clone_function=clone_function,
        call_function=call_function,
    )
    if isinstance(graph, DescribedModel):
        made.card = graph.card
    return made


def copy_layer(layer, copy_inner: Callable):
    """Returns a new layer or operation of the same configuration.

    Args:
        layer: a layer, an operation or a nested model.
        copy_inner: function layer -> layer for the layers of a nested model.

    Returns:
        It, with initial weights.
    """
    if _is_functional(layer):
        return clone(functional(layer), copy_inner)
    if isinstance(layer, keras.Sequential):
        inputs = [
            keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)
            for x in getattr(layer, "inputs", ())
        ]
        inner = [copy_inner(x) for x in layer.layers]
        return keras.Sequential([*inputs, *inner], name=layer.name)
    if isinstance(layer, keras.layers.Lambda):
        # Keras does not read a lambda from a configuration unasked, and
        # would lose the names that it uses.
        return keras.layers.Lambda(
            layer.function,
            output_shape=layer._output_shape,
            mask=layer.mask,
            arguments=layer.arguments,
            name=layer.name,
            dtype=layer.dtype_policy,
        )
    return _from_config(layer)


def _from_config(layer):
    made = type(layer).from_config(layer.get_config())
    # Some configurations have no name.
    made.name = layer.name
    return made


def copy_state(layer: keras.layers.Layer, made: keras.layers.Layer) -> None:
    """Gives a copy the weights, the other state and what is trainable.

    Args:
        layer: the layer.
        made: what `copy_layer` made of it, built.
    """
    pairs = zip(layer._flatten_layers(), made._flatten_layers(), strict=True)
    for old, new in pairs:
        # Not `set_weights`: some layers, such as Normalization, compute from
        # their variables when these are loaded.
        store = {}
        old.save_own_variables(store)
        new.load_own_variables(store)
        if new.trainable != old.trainable:
            new.trainable = old.trainable
    for old, new in zip(layer.weights, made.weights, strict=True):
        new.trainable = old.trainable
