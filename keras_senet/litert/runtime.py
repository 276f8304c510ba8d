"""Runs LiteRT files in Python.

    python keras_senet/litert/runtime.py FILE.tflite 1 2 4

prints how long an image takes on so many threads, and the memory that it needs.
It imports nothing of the package, whose memory would hide that of the file.
"""

import collections
import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

# Images that are timed, after the first, which prepare caches.
TIMES, WARM = 30, 3
# Seconds after which no more are timed.
LONG = 2.0


def interpreter_of(file: bytes | str | Path, threads: int):
    """Returns LiteRT's interpreter of a file, on XNNPACK where it can be.

    Args:
        file: the file's content, or its path.
        threads: number of threads.

    Returns:
        An `ai_edge_litert.interpreter.Interpreter` with its tensors allocated.

    Raises:
        ImportError: without ai-edge-litert.
        ValueError: if it is no LiteRT file.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        raise ImportError(
            'LiteRT is missing: pip install "keras_senet[litert]"'
        ) from None
    source = (
        {"model_content": file}
        if isinstance(file, bytes)
        else {"model_path": str(file)}
    )

    def prepared(**options):
        interpreter = Interpreter(**source, num_threads=threads, **options)
        interpreter.allocate_tensors()
        return interpreter

    try:
        return prepared()
    except RuntimeError:
        # XNNPACK refuses 8-bit tensors that are constant, such as a gate that
        # calibration never saw move. LiteRT's own kernels take them, more
        # slowly.
        kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        return prepared(experimental_op_resolver_type=kernels)


def runner(interpreter) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what computes the outputs of one image.

    Args:
        interpreter: what `interpreter_of` returned.

    Returns:
        Function of an array of the shape of an image, that returns an array of
        shape `(1, *outputs)`, float32: files of 8 bits are fed and read in the
        scales that they name.
    """
    [taken] = interpreter.get_input_details()
    [given] = interpreter.get_output_details()

    def run(image: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], _as_taken(image, taken)[None])
        interpreter.invoke()
        outputs = interpreter.get_tensor(given["index"])
        if given["dtype"] == np.float32:
            return outputs
        scale, zero = given["quantization"]
        return np.float32(scale) * (outputs.astype("float32") - zero)

    return run


def _as_taken(image, details):
    """An image as a file's input takes it."""
    if details["dtype"] == np.float32:
        return np.asarray(image, "float32")
    image = np.asarray(image)
    scale, zero = details["quantization"]
    if image.dtype == details["dtype"] and (scale, zero) == (1, 0):
        # Pixels as they are need no rounding.
        return image
    limits = np.iinfo(details["dtype"])
    steps = np.rint(image.astype("float32") / scale) + zero
    return np.clip(steps, limits.min, limits.max).astype(details["dtype"])


def scales(interpreter) -> dict[str, dict]:
    """Returns what the numbers mean that a file of 8 bits takes and gives.

    Args:
        interpreter: what `interpreter_of` returned.

    Returns:
        Of `"input"` and `"output"` the `scale` and the `zero_point`; nothing
        of a file that takes and gives float32.
    """
    [taken] = interpreter.get_input_details()
    [given] = interpreter.get_output_details()
    found = {}
    for name, details in (("input", taken), ("output", given)):
        scale, zero = details["quantization"]
        if details["dtype"] != np.float32:
            found[name] = {"scale": float(scale), "zero_point": int(zero)}
    return found


def operators(interpreter) -> tuple[dict[str, int], dict[str, int], int]:
    """Counts the operators of a file, and those that XNNPACK runs.

    Args:
        interpreter: what `interpreter_of` returned.

    Returns:
        The number of operators by name, those of them that XNNPACK runs, and
        in how many parts of the network.
    """
    nodes = interpreter._get_ops_details()
    parts = [node for node in nodes if node["op_name"] == "DELEGATE"]
    own = [node for node in nodes if node["op_name"] != "DELEGATE"]
    makers = {place: node for node in own for place in node["outputs"]}
    delegated = set()
    for part in parts:
        # Backwards from what a part gives to what it takes.
        taken = set(part["inputs"])
        waiting = set(part["outputs"]) - taken
        while waiting:
            node = makers.get(waiting.pop())
            if node is not None and node["index"] not in delegated:
                delegated.add(node["index"])
                waiting |= set(node["inputs"]) - taken
    counts = collections.Counter(node["op_name"] for node in own)
    run = collections.Counter(
        node["op_name"] for node in own if node["index"] in delegated
    )
    return dict(counts), dict(run), len(parts)


def milliseconds(
    run: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]
) -> float:
    """Returns how long an image takes, the median.

    Args:
        run: function of an image.
        shape: that of an image.

    Returns:
        Milliseconds.
    """
    image = np.random.default_rng(0).integers(0, 256, shape).astype("uint8")
    times = []
    end = time.perf_counter() + LONG
    while len(times) < WARM + TIMES and (
        time.perf_counter() < end or len(times) <= WARM
    ):
        begin = time.perf_counter()
        run(image)
        times.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(times[WARM:])


def _memory():
    """The most bytes of memory that this process has had, if it is known."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss, which begins with that of the process that asks.
        [kibibytes] = re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())
        return 1024 * int(kibibytes)
    try:
        import resource
    except ImportError:
        # Windows has no such module.
        return None
    # Of macOS, in bytes (getrusage(2)).
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(path: str, *threads: str) -> None:
    """Prints, as JSON, the milliseconds of an image, and the bytes it needs.

    Args:
        path: the file.
        *threads: numbers of threads.
    """
    # LiteRT's own code is no memory of the file.
    import ai_edge_litert.interpreter

    del ai_edge_litert
    times = {}
    before = _memory()
    for count in threads:
        interpreter = interpreter_of(path, int(count))
        shape = interpreter.get_input_details()[0]["shape"][1:]
        times[count] = milliseconds(runner(interpreter), shape)
        if len(times) == 1:
            memory = None if before is None else _memory() - before
        del interpreter
    print(json.dumps({"milliseconds": times, "bytes": memory}))


if __name__ == "__main__":
    main(*sys.argv[1:])
