"""What runs files, where a platform lacks something."""

import subprocess
import sys

PROGRAM = """
import pathlib, sys
sys.modules["resource"] = None
import keras_senet
from keras_senet.litert import runtime
assert runtime._memory() > 0
pathlib.Path.exists = lambda path: False
assert runtime._memory() is None
"""


def test_without_the_module_that_windows_lacks():
    """The package is imported, and the memory is not measured."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
