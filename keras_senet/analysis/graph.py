"""What a functional model computes on one image, call by call."""

from typing import NamedTuple

import keras

from keras_senet.cloning import functional


class Trace(NamedTuple):
    """What a model computes.

    Attributes:
        calls: in the order of the computation. A layer that is called twice is
            there twice.
        inputs: the `KerasTensor`s that the model takes.
        outputs: those that it gives.
    """

    calls: list["Call"]
    inputs: list
    outputs: list


class Call(NamedTuple):
    """One call of a layer or an operation.

    Attributes:
        name: name of the layer, behind that of the model it is nested in.
        operation: the layer or operation.
        inputs: the `KerasTensor`s that it takes.
        outputs: those that it gives.
    """

    name: str
    operation: keras.Operation
    inputs: list
    outputs: list


def trace(model: keras.Model) -> Trace:
    """Follows the calls of a model, those inside nested models included.

    Args:
        model: functional model or built `keras.Sequential`.

    Returns:
        A `Trace`.

    Raises:
        ValueError: if the model's graph is not known, or the size of its
            images or of a map is not fixed.
    """
    graph = functional(model)
    if any(None in tensor.shape[1:] for tensor in graph.inputs):
        raise ValueError(
            f"{model.name} takes images of any size (its input is "
            f"{graph.inputs[0].shape}), and its multiply-adds depend on it. "
            "Build it with `input_shape`."
        )
    found = []
    outputs = _follow(graph, graph.inputs, "", found)
    for call in found:
        for tensor in call.outputs:
            if None in tensor.shape[1:]:
                raise ValueError(
                    f"The layer {call.name} of {model.name} gives the shape "
                    f"{tensor.shape}, and its cost depends on it. Give the "
                    "layer a fixed output shape."
                )
    return Trace(found, graph.inputs, _tensors(outputs))


def _follow(graph, inputs, prefix, found):
    def call(operation, *args, **kwargs):
        name = prefix + operation.name
        kinds = keras.Sequential | keras.Function
        if isinstance(operation, keras.Model) and isinstance(operation, kinds):
            inner = functional(operation)
            return _follow(inner, _tensors((args, kwargs)), f"{name}/", found)
        outputs = operation.compute_output_spec(*args, **kwargs)
        found.append(
            Call(name, operation, _tensors((args, kwargs)), _tensors(outputs))
        )
        return outputs

    # A nested model may be called on another size than it was built for, so
    # the shapes are computed anew. Keras has no public function for it.
    return graph._run_through_graph(
        inputs, operation_fn=lambda operation: operation, call_fn=call
    )


def _tensors(structure):
    return [
        x
        for x in keras.tree.flatten(structure)
        if keras.backend.is_keras_tensor(x)
    ]
