# %% [markdown]
# # Quickstart
#
# Squeeze-and-Excitation networks name what is in a photo. This notebook
# classifies four photos, from memory and from a folder, looks at the gates of
# the SE blocks, and says how to go on with ImageNet's thousand classes.
#
# It needs no network and no GPU: the package ships one small trained network,
# SE-ResNet-20. That one knows the ten classes of CIFAR-10, in images of 32
# pixels, and nothing else.

# %%
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import skimage
from PIL import Image

import keras_senet
from keras_senet import analysis

# %% [markdown]
# ## Classify photos in one line
#
# The photos come with scikit-image and are in the public domain or CC0: arrays
# of bytes, RGB. `Classifier` takes arrays of any size, Pillow's images, paths
# and folders, and prepares them as the network wants.

# %%
photos = {
    "chelsea": skimage.data.chelsea(),
    "rocket": skimage.data.rocket(),
    "coffee": skimage.data.coffee(),
    "astronaut": skimage.data.astronaut(),
}
classifier = keras_senet.Classifier("se_resnet20")
predictions = classifier.predict(list(photos.values()), top=3)
predictions[0]

# %% [markdown]
# For every photo there are the three most likely classes, each with an id, a
# name and a score from 0 to 1. (In CIFAR-10 the id is the name. ImageNet has
# WordNet's ids.)

# %%
figure, axes = plt.subplots(
    2, 4, figsize=(11, 4.2), height_ratios=(2, 1), layout="constrained"
)
for column, photo, rows in zip(
    axes.T, photos.values(), predictions, strict=True
):
    column[0].imshow(photo)
    column[0].axis("off")
    names = [name for _, name, _ in reversed(rows)]
    column[1].barh(names, [score for _, _, score in reversed(rows)])
    column[1].set(xlim=(0, 1), xlabel="score")
plt.show()

# %% [markdown]
# The cat is right. A rocket, a cup and an astronaut are not among the network's
# ten classes. It must choose one of them all the same, and is sure of it: a
# score compares the classes that there are and doesn't say whether one fits.

# %%
print(", ".join(classifier.card.class_names))

# %% [markdown]
# ## From a folder
#
# A folder goes in like a photo. `predict_files` also says which file is which,
# and goes on after a file that is damaged.

# %%
folder = Path(tempfile.mkdtemp())
for name, photo in photos.items():
    Image.fromarray(photo).save(folder / f"{name}.png")

assert len(classifier.predict(folder)) == 4
files = sorted(folder.glob("*.png"))
for path, rows in classifier.predict_files(files, top=2):
    found = ", ".join(f"{name} {score:.2f}" for _, name, score in rows)
    print(f"{path.name:15s} {found}")

# %% [markdown]
# The same in a terminal: `keras-senet predict FOLDER --model se_resnet20`.
#
# ## From arrays, step by step
#
# `SEResNet20` makes a Keras model, and `model.predict` works as everywhere. The
# images have the network's size here, 32 pixels, in [0, 255]: the network
# normalises inside. `decode_predictions` puts names to the scores.

# %%
model = keras_senet.SEResNet20(weights="cifar10")
images = np.stack(
    [
        keras.ops.image.resize(
            photo.astype("float32"),
            (32, 32),
            antialias=True,
            crop_to_aspect_ratio=True,
        )
        for photo in photos.values()
    ]
)
scores = model.predict(images, verbose=0)
print("images", images.shape, "scores", scores.shape)
named = keras_senet.decode_predictions(scores, top=1)
for photo, [(_, name, score)] in zip(photos, named, strict=True):
    print(f"{photo:10s} {name} {score:.2f}")

# %%
figure, axes = plt.subplots(1, 4, figsize=(8, 2.2), layout="constrained")
for axis, image, name in zip(axes, images, photos, strict=True):
    axis.imshow(image.clip(0, 255).astype("uint8"))
    axis.set_title(name)
    axis.axis("off")
plt.show()

# %% [markdown]
# This is all that the network sees of the photos.
#
# ## Look at the gates
#
# An SE block averages every channel over the image and computes from these
# numbers a gate between 0 and 1 for each channel, by which the channel is then
# multiplied. `gates` reads them: per block an array of images by channels.

# %%
gates = analysis.gates(model, images)
for block, values in gates.items():
    print(f"{block:18s} {values.shape}  mean {values.mean():.2f}")

# %%
blocks = ["conv2_block3_se", "conv3_block3_se", "conv4_block2_se"]
figure, axes = plt.subplots(
    1, 3, figsize=(11, 3), sharey=True, layout="constrained"
)
for axis, block in zip(axes, blocks, strict=True):
    for name, values in zip(photos, gates[block], strict=True):
        axis.plot(values, label=name, linewidth=1.2)
    axis.set(title=block, xlabel="channel", ylim=(0, 1))
    axis.locator_params(axis="x", integer=True)
axes[0].set_ylabel("gate")
axes[0].legend()
plt.show()

# %% [markdown]
# A line is a photo. In the two early blocks the lines have one shape: these do
# about the same to each photo. In the late one they cross: which channels are
# let through depends on the photo. `05_what_se_learns` measures that.
#
# ## What the network is, and what SE costs
#
# The card says where the weights are from and how good they are, and is saved
# with the model.

# %%
print(model.card)

# %%
plain = keras_senet.ResNet20(weights=None)
for network in (model, plain):
    counts = analysis.complexity(network)
    print(
        f"{network.card.title:12s} {counts.parameters:,} parameters, "
        f"{counts.multiply_adds / 1e6:.2f} M multiply-adds"
    )

# %% [markdown]
# SE adds less than a hundredth of the parameters here, and almost no
# multiply-adds. `keras-senet summary se_resnet20` prints it stage by stage.
#
# ## With a network: ImageNet
#
# The weights of the paper's large networks are fetched once, at the first use,
# and checked against their published hash:
#
# ```python
# model = keras_senet.SEResNet50(weights="imagenet")  # 1000 classes, 224 pixels
# classifier = keras_senet.Classifier(model)
# print(classifier.predict("photo.jpg", top=5))
# ```
#
# All networks of the registry, and the weights that there are for them:

# %%
print(", ".join(keras_senet.list_models("se*")))

# %% [markdown]
# `keras-senet list --weights` prints them with their accuracy, licence and
# origin. Go on with `02_fine_tune`: classes of your own.
