# %% [markdown]
# # Training, on one device and on several
#
# A run is a `TrainConfig`. The same config trains on one CPU, on all GPUs of a
# machine and on several machines, and a run that was killed goes on where it
# was. This notebook shows all of that on two cores of a CPU: the second device
# is a logical one, the second machine is a second process.
#
# The images are patches of three photos of textures (CC0, from scikit-image).

# %%
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import skimage
import tensorflow as tf
from IPython.display import Image, display

from keras_senet.training import load_config, train

tf.get_logger().setLevel("ERROR")
# Two devices on one CPU. TensorFlow wants to know before it computes anything.
[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
if tf.config.list_physical_devices("GPU"):
    # Not for this trial: two processes can't share one GPU.
    tf.config.set_visible_devices([], "GPU")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.chdir(tempfile.mkdtemp())

# %% [markdown]
# ## The data
#
# A folder of images per class, in `train` and in `val`. The upper three
# quarters of each photo are for training and the rest for validation, so that
# no pixel is in both.

# %%
CLASSES = ("brick", "grass", "gravel")
SIZE = 16
random = np.random.default_rng(0)
for split, rows, count in (("train", (0, 384), 80), ("val", (384, 512), 40)):
    for name in CLASSES:
        photo = getattr(skimage.data, name)()[slice(*rows)]
        folder = Path("textures", split, name)
        folder.mkdir(parents=True)
        for number in range(count):
            top, left = random.integers(np.array(photo.shape) - SIZE + 1)
            patch = photo[top : top + SIZE, left : left + SIZE]
            path = folder / f"{number:02d}.png"
            skimage.io.imsave(path, patch, check_contrast=False)

figure, axes = plt.subplots(3, 10, figsize=(8, 2.6), layout="constrained")
for row, name in zip(axes, CLASSES, strict=True):
    for number, axis in enumerate(row):
        path = Path("textures", "train", name, f"{number:02d}.png")
        axis.imshow(skimage.io.imread(path), cmap="gray", vmin=0, vmax=255)
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
plt.show()

# %% [markdown]
# ## The config
#
# A file with a `TrainConfig` called `config`, like those in the repository's
# `configs/`. Every field is also an option of the command.
#
# `batch_size` is that of all devices together, so the result does not depend on
# how many there are. For that batch normalisation must take its statistics over
# all of them, too: `synchronized=True`. (The default is that each device
# normalises its own images, which saves an exchange per layer.)
#
# `float64` is for this trial: in float32 the rounding of sums in another order
# grows from step to step, until it can't be told from a mistake. A real run
# takes `float32`, or on a GPU `mixed_bfloat16`.

# %%
# %%writefile textures.py
from keras_senet.training import TrainConfig

config = TrainConfig(
    model="se_resnet20",
    data="folder:textures",
    image_size=16,
    crop="padded",
    validation_crop=1.0,
    batch_size=24,
    epochs=2,
    learning_rate=0.05,
    warmup_epochs=0.5,
    schedule="cosine",
    synchronized=True,
    precision="float64",
    checkpoint_steps=2,
    steps_per_call=2,
)

# %% [markdown]
# ## One device

# %%
one = train(load_config("textures.py", ["--out", "runs/one"]))

# %% [markdown]
# (Of three classes all are among the first five: the top-5 says nothing here.)
# The run's folder has the last two checkpoints, a table of the epochs and its
# curves, the trained network, and its accuracy with the config and the
# versions:

# %%
for path in sorted(Path("runs/one").rglob("*")):
    print(path if len(path.name) < 30 else f"{path!s:.48}…")
display(Image("runs/one/curves.png", width=480))

# %% [markdown]
# ## Two devices
#
# `strategy="mirrored"` takes all GPUs of the machine, or, where it has none,
# all logical CPUs. Each device has the weights and its share of the batch, and
# the gradients are summed once a step.

# %%
two = train(
    load_config("textures.py", ["--out", "runs/two", "--strategy", "mirrored"])
)
for name in ("loss", "val_loss"):
    for label, run in (("one device", one), ("two devices", two)):
        values = "  ".join(f"{value:.7f}" for value in run.history[name])
        print(f"{name:10}{label:13}{values}")
    np.testing.assert_allclose(one.history[name], two.history[name], rtol=1e-5)

# %% [markdown]
# Two devices computed what one did, to rounding.
#
# ## Two machines
#
# The same command runs once on each machine. The variable `TF_CONFIG` tells
# each who all workers are and which of them it is. Here both are processes of
# this machine, which talk over loopback. (In a clone of the repository
# `./scripts/launch_local.py --workers 2` does what this cell does.)

# %%
COMMAND = [sys.executable, "-m", "keras_senet", "train"]


def start(out, **environment):
    """Starts a training in a process of its own."""
    return subprocess.Popen(
        [*COMMAND, "--config", "textures.py", "--out", out],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
addresses = ["{}:{}".format(*each.getsockname()) for each in sockets]
for each in sockets:
    each.close()
workers = []
for number in range(2):
    cluster = {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": number},
    }
    print("TF_CONFIG =", json.dumps(cluster))
    workers.append(start("runs/workers", TF_CONFIG=json.dumps(cluster)))
for number, worker in enumerate(workers):
    print(f"\nworker {number}:\n{worker.communicate()[0]}", end="")
    assert worker.returncode == 0

# %% [markdown]
# The first worker prints the epochs and writes; both computed the same numbers,
# and those of one device. On a cluster the addresses are those of the machines,
# the data must be on each of them (or on a file system that all share), and the
# run's folder on one that all share. On the second of two machines:
#
# ```sh
# export TF_CONFIG='{"cluster": {"worker": ["host0:3333", "host1:3333"]},
#     "task": {"type": "worker", "index": 1}}'
# keras-senet train --config imagenet.py --out /shared/runs/imagenet
# ```
#
# Slurm and Kubernetes set it from what they know: see `docs/cluster` in the
# repository.
#
# ## A run that is killed
#
# Machines fail, and cheap ones are taken away. Here the process gets SIGKILL,
# which it can't notice, in the middle of an epoch. Then the same command runs
# again.

# %%
killed = start("runs/killed")
while not any(Path("runs/killed/checkpoints").glob("step-*14-*")):
    assert killed.poll() is None, killed.communicate()[0]
    time.sleep(0.01)
killed.kill()
print(killed.communicate()[0], "Killed.", sep="")
again = start("runs/killed")
print(again.communicate()[0])
assert again.returncode == 0

# %% [markdown]
# It went on from the last checkpoint that was whole. Which images make up a
# step, how they are cropped, the rate and the momentum follow from the step's
# number and the checkpoint, so the run ends with the weights of the one that
# was never interrupted, to the last bit:

# %%
weights = {
    name: keras.models.load_model(f"runs/{name}/model.keras").get_weights()
    for name in ("one", "killed", "two", "workers")
}
for name, arrays in weights.items():
    pairs = list(zip(arrays, weights["one"], strict=True))
    equal = all(np.array_equal(a, b) for a, b in pairs)
    largest = max(float(np.abs(a - b).max()) for a, b in pairs)
    print(
        f"{name:8}  bits equal: {equal!s:5}  largest difference {largest:.1e}"
    )
    assert equal or name in ("two", "workers")

# %% [markdown]
# ## What to take with you
#
# - One command for one device, several, and several machines; `batch_size` and
#   rate stay what the config says.
# - After a crash, SIGTERM or a lost worker: the same command again.
# - To the bit on one CPU. Sums over devices are added in another order, and
#   GPUs do that by themselves.
#
# This is a proof of how it works, not of speed: two processes on two cores gain
# little. What several machines need of a network, and what was and was not
# tried, is in `docs/training.md` of the repository; the paper's recipes are in
# `configs/`.
