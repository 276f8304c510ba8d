#!/usr/bin/env python3
"""Classifies a few photos and draws what the network sees in them.

Called by `./scripts/demo`, which installs what this needs:

    python scripts/demo.py --out demo.png
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import skimage
from matplotlib.ticker import MaxNLocator
from PIL import ImageOps

import keras_senet
from keras_senet.analysis import gates
from keras_senet.data.images import center_crop, read_image

# Photos in scikit-image's package, which says that each is CC0 or in the public
# domain.
PHOTOS = (
    "chelsea.png",
    "rocket.jpg",
    "hubble_deep_field.jpg",
    "coffee.png",
)
# The last SE block of each stage.
BLOCKS = ("conv2_block3_se", "conv3_block3_se", "conv4_block3_se")


def draw(photos, predictions, gates, path):
    """The photos with their classes above, the gates of each stage below."""
    colors = plt.get_cmap("tab10").colors
    figure, axes = plt.subplots(
        3,
        len(photos),
        figsize=(11, 5.4),
        height_ratios=(1.5, 0.7, 1.6),
        layout="constrained",
    )
    for axis, photo, color in zip(axes[0], photos, colors, strict=False):
        # Of one shape, so that none leaves a gap.
        axis.imshow(ImageOps.fit(photo, (450, 300)))
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set(color=color, linewidth=3)
    for axis, rows, color in zip(axes[1], predictions, colors, strict=False):
        names = [name for _, name, _ in reversed(rows)]
        axis.barh(names, [s for _, _, s in reversed(rows)], color=color)
        axis.set(xlim=(0, 1), xlabel="score")
    grid = axes[2, 0].get_gridspec()
    for axis in axes[2]:
        axis.remove()
    below = figure.add_subfigure(grid[2, :])
    below.suptitle(
        "What the SE blocks do: a gate for every channel, per photo",
        fontsize=10,
    )
    panels = below.subplots(1, len(BLOCKS), sharey=True)
    for panel, name in zip(panels, BLOCKS, strict=True):
        for row, color in zip(gates[name], colors, strict=False):
            panel.plot(row, color=color, linewidth=1.2)
        panel.set(title=name, xlabel="channel", ylim=(0, 1))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.title.set_fontsize(9)
    panels[0].set_ylabel("gate")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo.png"))
    args = parser.parse_args()
    model = keras_senet.SEResNet20(weights="cifar10")
    folder = Path(skimage.__file__).parent / "data"
    photos = [read_image(folder / name) for name in PHOTOS]
    card = model.card
    images = np.stack(
        [center_crop(photo, card.input_size, card.crop) for photo in photos]
    )
    scores = model.predict(images, verbose=0)
    predictions = keras_senet.decode_predictions(scores, top=3)
    for name, rows in zip(PHOTOS, predictions, strict=True):
        best = ", ".join(f"{label} {score:.0%}" for _, label, score in rows)
        print(f"  {name:20s} {best}")
    draw(photos, predictions, gates(model, images), args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
