"""TensorFlow, JAX and torch give equal outputs from the same weights."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from small import KINDS, shallow, size_of, small

from keras_senet.architectures.build import build

LOADER = """
import sys
import keras_senet
# Later, Keras imports it itself when it saves or loads.
assert "tensorflow" not in sys.modules
from keras.models import load_model
import keras
import numpy as np

folder, *names = sys.argv[1:]
for name in names:
    model = load_model(f"{folder}/{name}.keras")
    x = np.load(f"{folder}/{name}_x.npy")
    y = model.predict_on_batch(x)
    np.save(f"{folder}/{name}_{keras.backend.backend()}.npy", y)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_outputs_are_those_of_tensorflow(backend, tmp_path, rng):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: `./scripts/test --all` does")
    expected = {}
    for name in KINDS:
        network = shallow(small(name))
        size = size_of(network) + 1
        model = build(network, input_shape=(size, size, 3))
        x = rng.uniform(0, 255, (2, size, size, 3)).astype("float32")
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}_x.npy", x)
        # Without compiling, which takes longer.
        expected[name] = keras.ops.convert_to_numpy(model(x))
    subprocess.run(
        [sys.executable, "-c", LOADER, str(tmp_path), *KINDS],
        env={**os.environ, "KERAS_BACKEND": backend},
        check=True,
    )
    for name in KINDS:
        outputs = np.load(tmp_path / f"{name}_{backend}.npy")
        np.testing.assert_allclose(outputs, expected[name], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_tests_of_other_parts_pass_on_every_backend(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: `./scripts/test --all` does")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/layers"]
        + ["tests/test_classifier.py", "tests/test_optimizers.py"]
        + [
            f"tests/analysis/test_{part}.py"
            for part in ("class_activation", "excitation", "removal")
        ]
        # Of these only what computes with a backend.
        + [
            f"tests/analysis/test_cost.py::test_{what}"
            for what in (
                "counts_layers_of_keras_by_hand",
                "activation_memory_by_hand",
                "outputs_stay_in_memory_though_later_layers_take_them",
            )
        ]
        + [
            f"tests/test_ablation.py::test_{what}"
            for what in (
                "augmented_images_are_parts_of_the_padded_ones",
                "a_short_run_counts_what_is_trained",
            )
        ],
        env={**os.environ, "KERAS_BACKEND": backend},
        check=True,
    )
