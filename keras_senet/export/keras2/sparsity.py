"""Kernels of which a part is zero, or that have few different values."""

import numpy as np
import tensorflow_model_optimization as tfmot
from network import arrays_of, build
from training import Request, fit, steps_of, top1

# What is pruned and clustered: nearly all weights are in these.
LAYERS = ("Conv2D", "Dense")


def prune(request: Request) -> dict[str, np.ndarray]:
    """Returns the weights of a network trained while its kernels thin out.

    Args:
        request: the network, the images and the options, with `sparsity`.

    Returns:
        Arrays by name.
    """
    sparsity = tfmot.sparsity.keras
    steps = steps_of(request) * request.options["epochs"]
    goal = request.options["sparsity"]
    # The last third is for what is left. The schedule must meet its end.
    pace = max(1, min(100, steps // 20))
    end = 2 * steps // 3 // pace * pace
    schedule = sparsity.ConstantSparsity(goal, 0, frequency=1)
    if end:
        schedule = sparsity.PolynomialDecay(0.0, goal, 0, end, frequency=pace)

    def wrap(layer, number):
        if type(layer).__name__ not in LAYERS:
            return layer
        return sparsity.prune_low_magnitude(layer, schedule)

    return _train(
        request,
        wrap,
        sparsity.strip_pruning,
        [sparsity.UpdatePruningStep()],
    )


def cluster(request: Request) -> dict[str, np.ndarray]:
    """Returns the weights of a network trained while kernels share values.

    Args:
        request: the network, the images and the options, with `clusters`.

    Returns:
        Arrays by name.
    """
    clustering = tfmot.clustering.keras
    count = request.options["clusters"]

    def wrap(layer, number):
        # A smaller kernel has no more values as it is.
        kernels = type(layer).__name__ in LAYERS
        if not kernels or layer.kernel.shape.num_elements() <= count:
            return layer
        return clustering.cluster_weights(
            layer,
            number_of_clusters=count,
            cluster_centroids_init=(
                clustering.CentroidInitialization.KMEANS_PLUS_PLUS
            ),
        )

    return _train(request, wrap, clustering.strip_clustering)


def _train(request, wrap, strip, callbacks=()):
    plain, _ = build(request.graph, request.arrays)
    print(f"before  validation top-1 {top1(plain, request):.2%}", flush=True)
    model, values = build(request.graph, request.arrays, wrap)
    fit(model, values, request.graph, plain, request, callbacks)
    return arrays_of(strip(model))
