# %% [markdown]
# # The paper's designs, compared
#
# Section 6 of the paper asks which parts of an SE block matter: the reduction
# ratio, average or maximum, the sigmoid, the stages, the place in the residual
# block. Each of these designs is a keyword here. This notebook counts what they
# cost, trains four of them on a small task, and asks how far the result can be
# trusted. At this size: not far, and that is what it is for.

# %%
import statistics

import keras
import matplotlib.pyplot as plt
import numpy as np
import skimage
from IPython.display import Markdown

import keras_senet
from keras_senet.analysis import complexity

# %% [markdown]
# ## The designs and their cost
#
# SE-ResNet-20, which is small enough to be trained below. As in the paper's
# ablations the blocks have no biases. In the last column are the errors (top-1,
# percent) that the paper prints for SE-ResNet-50 on ImageNet, where the
# differences are between networks of 28 million parameters and mean something
# else than they would here.

# %%
DESIGNS = {
    "without SE": (None, 23.30),
    "SE, r = 16": ({}, 22.28),
    "r = 2 (Table 10)": ({"reduction": 2}, 22.29),
    "r = 4": ({"reduction": 4}, 22.25),
    "r = 8": ({"reduction": 8}, 22.26),
    "r = 32": ({"reduction": 32}, 22.72),
    "maximum (Table 11)": ({"squeeze": "max"}, 22.57),
    "ReLU (Table 12)": ({"excitation": "relu"}, 23.47),
    "tanh": ({"excitation": "tanh"}, 23.00),
    "stage 2 alone (Table 13)": ({"se_stages": (2,)}, 23.03),
    "stage 3 alone": ({"se_stages": (3,)}, 23.04),
    "stage 4 alone": ({"se_stages": (4,)}, 22.68),
    "before the unit (Table 14)": ({"placement": "pre"}, 22.23),
    "after the sum": ({"placement": "post"}, 22.78),
    "on the shortcut": ({"placement": "identity"}, 22.20),
    "no squeeze (Table 16)": ({"squeeze": "none"}, 22.93),
}


def build(design, **options):
    """The network of a design, with random weights."""
    keywords, _ = DESIGNS[design]
    if keywords is None:
        return keras_senet.ResNet20(weights=None, **options)
    return keras_senet.SEResNet20(
        weights=None, se_bias=False, **keywords, **options
    )


lines = [
    "| design | parameters | of SE blocks | their multiply-adds | paper |",
    "| --- | ---: | ---: | ---: | ---: |",
]
for design, (_, error) in DESIGNS.items():
    cost = complexity(build(design))
    lines.append(
        f"| {design} | {cost.parameters:,} | {cost.se_parameters:,} "
        f"| {cost.se_multiply_adds:,} | {error:.2f} |"
    )
Markdown("\n".join(lines))

# %% [markdown]
# Before anything is trained one sees:
#
# - The parameters of the gates go with 1 / r, as the paper's Eq. 5 says, and
#   are few: of this network's less than 1 % with r = 16.
# - What a block squeezes with and how it excites costs nothing. Nor does its
#   place, but for "before the unit", where there are fewer channels still.
# - Without the squeeze the same two layers run at every position: as many
#   parameters, and 146 times the multiply-adds. The paper has that row to show
#   that it is the global view that helps, not the layers.
#
# ## A small task
#
# Patches of 12 pixels of three textures (CC0, from scikit-image), each with its
# brightness and contrast taken away. The upper three quarters of each photo are
# for training, the rest is for testing, so that no pixel is in both.

# %%
CLASSES = ("brick", "grass", "gravel")
SIZE = 12
random = np.random.default_rng(0)


def patches(first, last, count):
    """Images and classes, `count` of each, from some rows of the photos."""
    images, labels = [], []
    for label, name in enumerate(CLASSES):
        photo = getattr(skimage.data, name)()[first:last].astype("float32")
        for _ in range(count):
            top, left = random.integers(np.array(photo.shape) - SIZE + 1)
            patch = photo[top : top + SIZE, left : left + SIZE]
            patch = (patch - patch.mean()) / (patch.std() + 1)
            grey = np.clip(128 + 40 * patch, 0, 255)
            images.append(np.repeat(grey[:, :, None], 3, axis=2))
            labels.append(label)
    return np.stack(images), np.array(labels)


train_images, train_labels = patches(0, 384, 100)
test_images, test_labels = patches(384, 512, 300)

figure, axes = plt.subplots(3, 10, figsize=(8, 2.6), layout="constrained")
for label, row in enumerate(axes):
    shown = train_images[train_labels == label]
    for axis, image in zip(row, shown, strict=False):
        axis.imshow(image.astype("uint8"))
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(CLASSES[label])
plt.show()

# %% [markdown]
# ## Training
#
# Four designs, five seeds each, under one recipe. A seed decides the random
# weights and the order of the images; all else is equal, since with a recipe
# per row one would compare recipes. Each network is compiled once and gets new
# random weights for every seed.

# %%
ROWS = ("without SE", "SE, r = 16", "no squeeze (Table 16)", "ReLU (Table 12)")
SEEDS, EPOCHS, BATCH = range(5), 6, 25


def new_weights(design, seed):
    """A network of the design with the random weights of a seed."""
    keras.utils.set_random_seed(seed)
    return build(design, classes=len(CLASSES), input_shape=(SIZE, SIZE, 3))


def errors_of(design):
    """The error on the test images, in percent, for every seed."""
    model = new_weights(design, 0)
    steps = EPOCHS * len(train_images) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(0.05, steps)
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    fresh = [keras.ops.convert_to_numpy(v) for v in optimizer.variables]
    errors = []
    for seed in SEEDS:
        model.set_weights(new_weights(design, seed).get_weights())
        for variable, value in zip(optimizer.variables, fresh, strict=True):
            variable.assign(value)
        model.fit(train_images, train_labels, BATCH, EPOCHS, verbose=0)
        _, right = model.evaluate(
            test_images, test_labels, len(test_images), verbose=0
        )
        errors.append(100 * (1 - right))
    return errors


errors = {design: errors_of(design) for design in ROWS}

# %% [markdown]
# ## Mean and spread
#
# The last two columns are what matters: the difference from the network without
# SE, and the standard error of that difference, which is what two means over so
# few seeds differ by chance alone.

# %%
lines = [
    "| design | mean error (%) | deviation | lowest to highest | difference "
    "| its standard error |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
]
plain = errors["without SE"]
for design, found in errors.items():
    mean, deviation = statistics.mean(found), statistics.stdev(found)
    change = f"{mean - statistics.mean(plain):+.2f}"
    both = deviation**2 + statistics.stdev(plain) ** 2
    chance = f"{(both / len(SEEDS)) ** 0.5:.2f}"
    if found is plain:
        change = chance = ""
    lines.append(
        f"| {design} | {mean:.2f} | {deviation:.2f} "
        f"| {min(found):.2f} to {max(found):.2f} | {change} | {chance} |"
    )
Markdown("\n".join(lines))

# %%
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
for place, found in enumerate(errors.values()):
    axes.plot([place] * len(found), found, "o", color="tab:blue", alpha=0.6)
    axes.plot(place, statistics.mean(found), "_", color="black", ms=28)
axes.set_xticks(range(len(errors)), errors)
axes.set_ylabel("top-1 error (%)")
axes.set_ylim(bottom=0)
axes.set_title("a dot per seed, bars are means", fontsize=10)
axes.grid(axis="y", alpha=0.3)
plt.show()

# %% [markdown]
# ## Reading it
#
# - **SE, no SE, and SE without its squeeze can't be told apart here.** Their
#   means differ from that of no SE by three points or less, less than the
#   standard error of the difference, and the seeds of one row differ by up to
#   thirteen. That the order of these three is not the paper's means nothing,
#   nor would the paper's. One seed per row, which is what many comparisons are
#   made of, would have "shown" any order.
# - **ReLU is another matter.** All five of its seeds are worse than all others,
#   and its mean is three standard errors from that of no SE. A likely cause: a
#   gate that is zero for all images passes no gradient either, and stays shut.
#   It fits the paper, where ReLU is worse than no SE.
# - These numbers are of the run that wrote this page. Where sums are added in
#   another order, as by another number of cores, yours are others, and differ
#   from these as two seeds do.
#
# How many seeds would it take? For a difference of one point, which is what the
# paper finds between ResNet-50 with and without SE, to be two standard errors:

# %%
deviation = statistics.stdev(errors["SE, r = 16"])
print(f"{8 * deviation**2:.0f} seeds per row at a deviation of {deviation:.1f}")

# %% [markdown]
# Or a task on which the seeds differ less: more images, longer training. In a
# clone of the repository this trains every row of one of the paper's tables
# (`reduction`, `squeeze`, `excitation`, `stages`, `placement`, `nosqueeze`) on
# CIFAR-10, goes on where it was stopped, and writes a table with mean and
# deviation beside the paper's numbers, and a picture with a dot per seed:
#
# ```sh
# python scripts/ablation.py --study reduction --data tfds:cifar10 --seeds 3
# ```
#
# The paper's own setting, SE-ResNet-50 on ImageNet, is the same command with
# other data, and takes its recipe from `configs/ablation.py`:
#
# ```sh
# python scripts/ablation.py --study reduction --data tfds:imagenet2012
# ```
#
# Which studies have been run so far, and with which command, is listed in
# `docs/results.md`.
