"""What the command line needs before Keras is imported."""

import os
import sys

from keras_senet._quiet import quietly

# TensorFlow reads these when it is imported. oneDNN's kernels are two to three
# times as fast on CPUs for which TensorFlow leaves them off (those without
# VNNI).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if sys.stderr is None:
    # Closed by the shell (`2>&-`). What is written to None goes to standard
    # output, among the results.
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def import_keras_quietly():
    """Imports Keras without the log lines that TensorFlow prints on its way.

    They are written before its log level counts, by C++, so standard error is
    turned away until the backend has run its first operation.
    """
    try:
        with quietly():
            import keras

            # Several workers must be named before the first operation.
            if not os.environ.get("TF_CONFIG"):
                keras.ops.zeros(())
    except (ValueError, ImportError) as error:
        backend = os.environ.get("KERAS_BACKEND")
        print(
            f"keras-senet: Keras can't be imported: {error}. KERAS_BACKEND is "
            f"{backend!r}. Allowed: 'tensorflow', 'jax' or 'torch', whichever "
            "is installed.",
            file=sys.stderr,
        )
        sys.exit(2)
