# %% [markdown]
# # What SE blocks learn
#
# A Squeeze-and-Excitation block gives each channel a gate, from the image as a
# whole. What do the gates of a trained network do? The paper's section 7 looks
# at them class by class, and takes blocks away. This notebook does both with
# `keras_senet.analysis` on the shipped SE-ResNet-20, and shows by Grad-CAM
# where in a photo the network looks.
#
# The data are small, so that it runs anywhere in a minute: crops of five photos
# that come with scikit-image (public domain or CC0). A "class" is a photo here.
# It shows how the study is done; what it finds on the 10,000 test images of
# CIFAR-10 is in the [study](../docs/study.md).

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage
from IPython.display import Image
from PIL import Image as Picture

import keras_senet
from keras_senet import analysis

# %% [markdown]
# ## The images
#
# 32 crops of each photo, half of them mirrored, at the network's 32 pixels. The
# first five:

# %%
PHOTOS = {
    "cat": skimage.data.chelsea(),
    "rocket": skimage.data.rocket(),
    "coffee": skimage.data.coffee(),
    "astronaut": skimage.data.astronaut(),
    "retina": skimage.data.retina(),
}
CROPS = 32
random = np.random.default_rng(0)


def crop(photo):
    """Returns a square of 70 to 100 % of a photo's short side, in 32 pixels."""
    side = int(random.uniform(0.7, 1) * min(photo.shape[:2]))
    y, x = (random.integers(0, full - side + 1) for full in photo.shape[:2])
    part = Picture.fromarray(photo[y : y + side, x : x + side])
    image = np.asarray(part.resize((32, 32), Picture.Resampling.BILINEAR))
    return image[:, ::-1] if random.random() < 0.5 else image


images = np.stack([crop(x) for x in PHOTOS.values() for _ in range(CROPS)])
labels = np.repeat(np.arange(len(PHOTOS)), CROPS)
names = dict(enumerate(PHOTOS))

figure, axes = plt.subplots(5, 5, figsize=(3.2, 2.8), layout="constrained")
for label, row in enumerate(axes):
    row[0].set_ylabel(names[label], rotation=0, ha="right", va="center")
    for axis, image in zip(row, images[labels == label], strict=False):
        axis.imshow(image, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## The gates, class by class
#
# `gates` returns the gates of every image. `excitations` keeps mean and
# standard deviation per class, and reads images a batch at a time, so that it
# takes all of ImageNet as well.

# %%
model = keras_senet.SEResNet20(weights="cifar10")
gates = analysis.gates(model, images)
print("gates of the last block:", gates["conv4_block3_se"].shape)

found = analysis.excitations(model, images, labels)
print("their means per class:", found.mean["conv4_block3_se"].shape)

# %%
out = Path(tempfile.mkdtemp())
blocks = ["conv3_block3_se", "conv4_block2_se", "conv4_block3_se"]
analysis.plot_excitations(found, out / "gates.png", names, blocks)
Image(out / "gates.png", width=860)

# %% [markdown]
# The paper's Fig. 6: a line per class, and black for all images. On the left,
# two thirds through the network, the lines nearly run together: whatever the
# image, the same channels are let through. In the middle they come apart: the
# block before the last chooses its channels by what is in the image. On the
# right all gates are near one, and a class shifts them as a whole: this block
# saturates, as the paper finds in the last stage of SE-ResNet-50.
#
# How much the images of one class differ is the paper's Fig. 7, a band of one
# standard deviation:

# %%
analysis.plot_spread(
    found, out / "spread.png", {0: "cat", 1: "rocket"}, ["conv4_block2_se"]
)
Image(out / "spread.png", width=380)

# %% [markdown]
# The bands are narrow here because the crops of a photo resemble each other.
# For a true class, such as all cats of CIFAR-10, they are wide: most of the
# variance is then within the classes.
#
# ## The role of every block, in numbers
#
# `correlation` is that of two classes' mean gates over the channels (one: the
# classes are treated alike), `class_share` the part of the variance that is
# between classes, `open` the part of the gates within 0.1 of one.

# %%
roles = analysis.role(found)
columns = ("mean", "correlation", "class_share", "open")
print(f"{'block':16s}", *(f"{column:>12s}" for column in columns))
for row in roles:
    print(f"{row['block']:16s}", *(f"{row[x]:12.2f}" for x in columns))

# %% [markdown]
# The class share of `conv2_block2_se` is no number: its gates are the same for
# every image. Its bottleneck has one channel (16 channels over a reduction of
# 16), which none of them opens, so that the block is a constant. Small networks
# should take a smaller `reduction` in their narrow stages.
#
# ## What is lost without a block
#
# Two things can stand for a block: its mean gates, a constant that could be
# multiplied into the layer before and would cost nothing, or gates of one, as
# if the block had never been there. Nothing is trained again.
# `accuracy_without` takes the blocks away one by one.
#
# Most of these photos are of none of the network's ten classes. So what it
# answered with all of its blocks counts as right: a fall by ten points is an
# answer in ten that became another.

# %%
answers = model.predict(images, verbose=0).argmax(1)
alone = analysis.block_groups(model)
means = {block: found.overall(block)[0] for block in alone}
removed = {
    "mean gates": analysis.accuracy_without(
        model, images, answers, alone, means
    ),
    "gates of one": analysis.accuracy_without(model, images, answers, alone),
}
analysis.plot_depth(roles, removed, out / "depth.png")
Image(out / "depth.png", width=640)

# %% [markdown]
# Above is the table as lines. Below, with mean gates (blue) most is lost in
# `conv4_block2_se`, the block whose gates tell the photos apart: an answer in
# ten. Without the last one it is about an answer in a hundred, without
# `conv3_block2_se` less, and nothing without the one that is constant. With
# gates of one (orange) everything falls by tens of points, since the later
# layers were trained with a scale that is now missing, but not in the last
# block, whose gates are near one anyway. (An answer is 0.6 points here, and the
# axis is logarithmic.)
#
# On CIFAR-10's test images it is the same block that tells classes apart, and
# the last that can go. That the early blocks treat all alike is clearer there
# (a correlation of 0.94 to 0.998 in most of them), presumably since five photos
# differ in colour and light more than the means of ten classes do.
#
# By stages, and together what `suggest` says can go (at a loss of one point at
# most, when each is removed alone):

# %%
suggested = analysis.suggest(removed["mean gates"], at_most=0.01)
print("can go:", *suggested)
groups = {**analysis.stage_groups(model), "what can go": suggested}
for row in analysis.accuracy_without(model, images, answers, groups, means):
    print(
        f"without {row['removed']:12s} {row['share']:6.2%} of the parameters, "
        f"{row['changed']:5.1%} of the answers change"
    )

# %% [markdown]
# Blocks that were chosen on some images must be measured again on others before
# they go: these few crops are no test set. And on this network SE is 0.9 % of
# the parameters, so that there is nothing to save. In SE-ResNet-50 it is 9 %,
# more than half of it in the last stage, and there the question pays.
#
# ## Where the network looks
#
# Grad-CAM weighs the last map of the network by the gradient of a class' score:
# red is what speaks for the class that the network answers.

# %%
figure, axes = plt.subplots(2, 5, figsize=(9, 3.6), layout="constrained")
for column, image, answer in zip(
    axes.T, images[::CROPS], answers[::CROPS], strict=True
):
    heat = analysis.grad_cam(model, image, class_index=answer)
    column[0].set_title(model.card.class_names[answer], fontsize=10)
    for axis in column:
        axis.imshow(image)
        axis.axis("off")
    column[1].imshow(heat, cmap="jet", alpha=0.5)
plt.show()

# %% [markdown]
# On the cat it is the face; in the second crop the rocket, at its left edge,
# and the tower beside. The answers to the other photos are wrong by necessity,
# and the picture shows what led to them. A map has 8 by 8 points, enlarged to
# the image.
#
# ## On data of yours
#
# One command does the study on any set, and writes tables and the pictures
# above; on ImageNet it is `--model se_resnet50 --data folder:imagenet`:
#
# ```sh
# keras-senet excitations --model se_resnet20 --data folder:photos --out study
# ```
