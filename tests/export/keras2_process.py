"""Networks computed by tf_keras, in a process that stays for all of them."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import keras_senet.export.keras2

# Run by path, as the package runs it: none of this is imported here.
PROGRAM = """
import json, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import network
import tf_keras
for line in sys.stdin:
    folder = line.strip()
    graph = json.load(open(f"{folder}/graph.json"))
    arrays = dict(np.load(f"{folder}/arrays.npz"))
    model, _ = network.build(graph, arrays)
    outputs = model.predict(np.load(f"{folder}/images.npy"), verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    np.savez(f"{folder}/outputs.npz", *outputs)
    np.savez(f"{folder}/arrays_of.npz", **network.arrays_of(model))
    tf_keras.backend.clear_session()
    print(folder, flush=True)
"""


@contextlib.contextmanager
def keras2():
    """Yields a function (folder, graph, arrays, images) -> outputs, arrays."""
    code = Path(keras_senet.export.keras2.__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
    )

    def compute(folder, graph, arrays, images):
        (folder / "graph.json").write_text(json.dumps(graph))
        np.savez(folder / "arrays.npz", **arrays)
        np.save(folder / "images.npy", images)
        process.stdin.write(f"{folder}\n")
        process.stdin.flush()
        assert process.stdout.readline().strip() == str(folder)
        outputs = np.load(folder / "outputs.npz")
        return list(outputs.values()), dict(np.load(folder / "arrays_of.npz"))

    with process:
        try:
            yield compute
        finally:
            process.stdin.close()
