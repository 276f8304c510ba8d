# %% [markdown]
# # Fine-tune: classes of your own
#
# A network that was trained on many images needs few to learn other classes.
# This notebook takes the shipped SE-ResNet-20, which knows ten classes of
# animals and vehicles, and teaches it three textures from ten photos each: by
# one command, and in plain Keras. Training from nothing is beside it.

# %%
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import skimage
from IPython.display import Image
from PIL import Image as Picture

import keras_senet
from keras_senet.training import finetune

keras.utils.set_random_seed(0)

# %% [markdown]
# ## The photos
#
# A folder with `train` and `val`, and in each a folder of photos per class, as
# you would make it of photos of yours. (Without `train` and `val`, a folder per
# class: then a fifth is set aside.) Here the photos are small patches of three
# large ones, which come with scikit-image and are CC0. Those for training are
# from the upper half, those for validation from the lower one, so that no
# pixel is in both.

# %%
CLASSES = ["brick", "grass", "gravel"]
SIDE = 40
random = np.random.default_rng(0)
photos = Path(tempfile.mkdtemp()) / "photos"


def save_patches(image, folder, count):
    """Writes square patches of an image, from anywhere in it."""
    folder.mkdir(parents=True)
    for number in range(count):
        y, x = (random.integers(0, side - SIDE + 1) for side in image.shape)
        patch = Picture.fromarray(image[y : y + SIDE, x : x + SIDE])
        patch.convert("RGB").save(folder / f"{number:02d}.png")


for name in CLASSES:
    texture = getattr(skimage.data, name)()
    save_patches(texture[:256], photos / "train" / name, 10)
    save_patches(texture[256:], photos / "val" / name, 50)

# %%
figure, axes = plt.subplots(3, 10, figsize=(8, 2.6), layout="constrained")
for row, name in zip(axes, CLASSES, strict=True):
    row[0].set_ylabel(name)
    files = sorted((photos / "train" / name).glob("*.png"))
    for axis, path in zip(row, files, strict=True):
        axis.imshow(Picture.open(path), interpolation="nearest")
        axis.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# All thirty photos that there are to learn from. For photos of yours, upload a
# folder (in Colab under *Files*) and let `photos` be its path. A public set, of
# 3,670 photos of five kinds of flowers (230 MB, CC BY), would be
#
# ```python
# url = "https://storage.googleapis.com/download.tensorflow.org/example_images/"
# folder = keras.utils.get_file(
#     "flower_photos", f"{url}flower_photos.tgz", extract=True
# )
# photos = Path(folder) / "flower_photos"  # a folder per class
# ```
#
# and a dataset of tensorflow_datasets is `"tfds:NAME"` in the place of
# `f"folder:{photos}"` below. (The cells further down that read `train` and
# `val` are for the textures.)
#
# ## In one call
#
# `finetune` loads the body of the weights, gives it a new classifier (the note
# on standard error says so), trains this alone for the first fifth of the
# epochs, and then all of the network.

# %%
runs = Path(tempfile.mkdtemp())
history = finetune(
    f"folder:{photos}",
    runs / "pretrained",
    "se_resnet20",
    "cifar10",
    epochs=12,
    batch_size=10,
    seed=0,
)

# %% [markdown]
# The same in a terminal:
#
# ```sh
# keras-senet finetune folder:photos --model se_resnet20 --weights cifar10 \
#     --epochs 12 --batch-size 10 --seed 0 --out runs/pretrained
# ```
#
# With a network, `--model se_resnet50 --weights imagenet` fetches the paper's
# network, for photos of 224 pixels; everything else stays the same.
#
# The folder of the run has the trained network (`model.keras`), its curves, the
# confusion matrix, and the mistakes that the network is surest of:

# %%
print(*sorted(path.name for path in (runs / "pretrained").iterdir()))

# %%
Image(runs / "pretrained" / "confusion.png", width=420)

# %%
Image(runs / "pretrained" / "mistakes.png", width=760)

# %% [markdown]
# ## Against training from nothing
#
# The same photos and epochs with random weights. There is no body that a new
# classifier could spoil (`head_epochs=0`), and the rate is ten times as high,
# since all is to be learnt.

# %%
nothing = finetune(
    f"folder:{photos}",
    runs / "nothing",
    "se_resnet20",
    None,
    epochs=12,
    batch_size=10,
    learning_rate=0.1,
    head_epochs=0,
    seed=0,
)

# %%
figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
for label, run in (("pretrained", history), ("from nothing", nothing)):
    top1 = run.history["val_top1"]
    axis.plot(range(1, len(top1) + 1), top1, "o-", label=label)
    print(f"{label}: {top1[-1]:.0%} of the photos for validation")
axis.axhline(1 / 3, color="gray", linestyle=":", label="by chance")
axis.set(xlabel="epoch", ylabel="top-1", ylim=(0, 1.02))
axis.locator_params(axis="x", integer=True)
axis.legend(loc="lower right")
plt.show()

# %% [markdown]
# Animals and vehicles are no textures, and yet what was learnt from them
# serves. Thirty photos are enough to tell new classes apart, but not to learn
# what edges and spots are. This is one run each, on an easy task; more photos
# and epochs should make the difference smaller.
#
# ## In plain Keras
#
# The networks are Keras models: `fit` and `compile` work as everywhere. First
# the new classifier alone, on the frozen body. A frozen layer of batch
# normalisation also keeps its statistics, which few photos would spoil.

# %%
train, validation = (
    keras.utils.image_dataset_from_directory(
        photos / split,
        image_size=(32, 32),
        batch_size=10,
        shuffle=split == "train",
        seed=0,
        verbose=False,
    )
    for split in ("train", "val")
)
model = keras_senet.SEResNet20(weights="cifar10", classes=3)
model.card.class_names = train.class_names
for layer in model.layers[:-1]:
    layer.trainable = False


def fit(rate, epochs):
    """Trains what is not frozen; returns the accuracy after every epoch."""
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    done = model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,  # The dataset does it, anew in every epoch.
        verbose=0,
    )
    return done.history["val_accuracy"]


frozen = fit(rate=0.01, epochs=10)
print(f"the classifier alone: {frozen[-1]:.0%}")

# %% [markdown]
# Then all of it. What is frozen counts when the model is compiled, so it is
# compiled again.

# %%
for layer in model.layers:
    layer.trainable = True
unfrozen = fit(rate=0.01, epochs=10)
print(f"all of the network: {unfrozen[-1]:.0%}")

# %%
figure, axis = plt.subplots(figsize=(6, 2.8), layout="constrained")
axis.plot(range(1, 11), frozen, "o-", label="classifier alone")
axis.plot(range(11, 21), unfrozen, "o-", label="all of the network")
axis.set(xlabel="epoch", ylabel="top-1", ylim=(0, 1.02))
axis.locator_params(axis="x", integer=True)
axis.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## A saved model knows its classes
#
# The names on the card are saved with the model. Whoever opens the file needs
# nothing else: not the names, not how photos are prepared.

# %%
model.save(runs / "textures.keras")

classifier = keras_senet.Classifier(runs / "textures.keras")
print(classifier.card.class_names)
for name in CLASSES:
    file = photos / "val" / name / "00.png"
    [[(_, found, score)]] = classifier.predict(file, top=1)
    print(f"{name:7s} is {found} by {score:.2f}")

# %% [markdown]
# In a terminal: `keras-senet predict PHOTO --model textures.keras`. On a phone:
# `04_tflite_android`.
