"""Where a run computes: one device, several, or several machines."""

import functools
import json
import logging
import os

import keras
import numpy as np

logger = logging.getLogger("keras_senet")

STRATEGIES = ("auto", "one", "mirrored", "workers", "tpu")


def make_strategy(name: str = "auto"):
    """Returns the strategy of `tf.distribute` that a run computes under.

    To be called before TensorFlow has computed anything, which several workers
    require.

    Args:
        name: `"one"`, one device; `"mirrored"`, all GPUs of this machine, or
            all logical CPUs where it has none; `"workers"`, the machines that
            the environment variable `TF_CONFIG` lists; `"tpu"`, the TPU that
            `TPU_NAME` names or this machine has; or `"auto"`: workers where
            `TF_CONFIG` lists several, a TPU where `TPU_NAME` names one, all
            GPUs where there are several, else one device. Defaults to `"auto"`.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: for another name, or one that this machine has no devices
            for; or if Keras does not run on TensorFlow.
        ConnectionError: if the workers don't come together.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Keras runs on {keras.backend.backend()}. Training here is "
            "tf.distribute's: set KERAS_BACKEND=tensorflow. (`model.fit` works "
            "on every backend.)"
        )
    if name not in STRATEGIES:
        raise ValueError(
            f"`strategy` is {name!r}. Allowed: "
            f"{', '.join(map(repr, STRATEGIES))}."
        )
    import tensorflow as tf

    workers = _workers()
    gpus = tf.config.list_physical_devices("GPU")
    if name == "auto":
        name = "one"
        if len(workers) > 1:
            name = "workers"
        elif os.environ.get("TPU_NAME"):
            name = "tpu"
        elif len(gpus) > 1:
            name = "mirrored"
    if name == "workers":
        if len(workers) < 2:
            raise ValueError(
                "The strategy is 'workers', and the environment variable "
                "TF_CONFIG lists no two of them. For a trial on this machine: "
                "scripts/launch_local.py --workers 2."
            )
        logger.warning("Waiting for %d workers.", len(workers))
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except tf.errors.OpError as error:
            raise ConnectionError(
                f"The workers {', '.join(workers)} of TF_CONFIG don't come "
                f"together ({error.message.splitlines()[0]}). Start the same "
                "command on all of them, with addresses that reach each other "
                "and ports that are free."
            ) from error
    if name == "mirrored":
        kind = "GPU" if gpus else "CPU"
        devices = [
            device.name for device in tf.config.list_logical_devices(kind)
        ]
        return tf.distribute.MirroredStrategy(devices)
    if name == "tpu":
        return _tpu()
    return tf.distribute.get_strategy()


def _workers():
    """The addresses of the workers in TF_CONFIG."""
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        return []
    try:
        cluster = json.loads(text).get("cluster", {})
        return [
            address
            for job in ("chief", "worker")
            for address in cluster.get(job, [])
        ]
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"TF_CONFIG is {text!r}, which is not JSON as tf.distribute wants "
            'it: {"cluster": {"worker": ["host:port", ...]}, "task": {"type": '
            '"worker", "index": 0}}.'
        ) from error


def _tpu():
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except Exception as error:
        raise ValueError(
            f"There is no TPU to be had here ({error}). Name it in TPU_NAME, "
            "or take another strategy."
        ) from error
    hosts = resolver.cluster_spec().as_dict().get("worker", [])
    if len(hosts) > 1:
        raise ValueError(
            f"The TPU has {len(hosts)} hosts, and this package reads images on "
            "one. Take a TPU of one host."
        )
    return tf.distribute.TPUStrategy(resolver)


def part_of(strategy) -> tuple[int, int]:
    """Returns which worker this process is, and of how many.

    Args:
        strategy: a `tf.distribute.Strategy`.

    Returns:
        Number of the worker from 0 on, and number of workers.
    """
    resolver = strategy.cluster_resolver
    cluster = resolver.cluster_spec().as_dict() if resolver else {}
    jobs = [job for job in ("chief", "worker") if job in cluster]
    counts = [len(cluster[job]) for job in jobs]
    if sum(counts) < 2 or resolver.task_type not in jobs:
        return 0, 1
    before = sum(counts[: jobs.index(resolver.task_type)])
    return before + resolver.task_id, sum(counts)


def local_replicas(strategy) -> int:
    """Returns the number of devices of this worker.

    Args:
        strategy: a `tf.distribute.Strategy`.

    Returns:
        Number of replicas.
    """
    return strategy.num_replicas_in_sync // part_of(strategy)[1]


def sum_over_workers(strategy, values: np.ndarray) -> np.ndarray:
    """Adds up an array of every worker.

    Args:
        strategy: a `tf.distribute.Strategy`.
        values: float64 array, of the same shape on all workers.

    Returns:
        Array like `values`, the same on all workers.
    """
    import tensorflow as tf

    values = np.asarray(values, "float64")
    if part_of(strategy)[1] == 1:
        return values
    total = _sum(strategy)(tf.constant(values))
    return strategy.experimental_local_results(total)[0].numpy()


@functools.cache
def _sum(strategy):
    """The compiled sum over the workers of a strategy."""
    import tensorflow as tf

    def on_replica(value):
        context = tf.distribute.get_replica_context()
        # Every worker's first device speaks for it.
        first = context.replica_id_in_sync_group % local_replicas(strategy) == 0
        value = value if first else tf.zeros_like(value)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, value)

    return tf.function(
        lambda value: strategy.run(on_replica, args=(value,)),
        reduce_retracing=True,
    )
