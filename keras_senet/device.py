"""What Keras runs on."""

import os
import warnings
from pathlib import Path

import keras

# Linux' names of the instructions that TensorFlow's oneDNN multiplies with in
# 16 bits on x86.
INSTRUCTIONS = {
    "mixed_bfloat16": ("avx512_bf16", "amx_bf16"),
    "mixed_float16": ("avx512_fp16", "amx_fp16"),
}
PROCESSOR = Path("/proc/cpuinfo")


def on_cpu() -> bool:
    """Whether Keras runs on TensorFlow without a GPU or TPU."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    kinds = {device.device_type for device in tf.config.get_visible_devices()}
    return not kinds & {"GPU", "TPU"}


def available_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def warn_of_slow_precision(precision: str) -> None:
    """Warns where TensorFlow runs on a CPU that only emulates a precision.

    Nothing is said where Linux on x86 does not tell.

    Args:
        precision: a dtype policy, such as `"mixed_bfloat16"`.
    """
    known = INSTRUCTIONS.get(precision)
    if known is None or not on_cpu() or not PROCESSOR.exists():
        return
    words = set(PROCESSOR.read_text().split())
    # The list's name on x86 alone.
    if "flags" in words and words.isdisjoint(known):
        warnings.warn(
            f"The precision is {precision}, and this processor has no "
            f"instructions for it ({', '.join(known)}): a step takes several "
            "times as long as in float32. Give float32 instead.",
            stacklevel=2,
        )
