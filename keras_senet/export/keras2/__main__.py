"""Does what lies in the folder that is given; the answer goes there too."""

import json
import sys
import traceback
from pathlib import Path

import numpy as np


def main(folder: Path) -> int:
    """Does a work and leaves its result, or an error, in the folder."""
    try:
        import sparsity
        from network import compute_grouped_convolutions_without_xla
        from quantization import quantize
        from training import read

        compute_grouped_convolutions_without_xla()
        work = json.loads((folder / "request.json").read_text())["work"]
        if work == "quantize":
            content = quantize(read(folder))
            (folder / "model.tflite").write_bytes(content)
        else:
            arrays = getattr(sparsity, work)(read(folder))
            np.savez(folder / "result.npz", **arrays)
    except Exception as error:
        facts = {
            "kind": type(error).__name__,
            "message": str(error),
            "traceback": traceback.format_exc(),
        }
        (folder / "error.json").write_text(json.dumps(facts))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
