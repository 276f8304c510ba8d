# %% [markdown]
# # On a phone
#
# From a network to a file that an Android app loads as it is: in float32,
# float16 and 8 bits, with normalisation, labels and metadata inside. What each
# form costs in accuracy and gains in size and time is measured here, and
# MediaPipe reads the file as it does on a phone.
#
# The network is the SE-ResNet-20 that ships with the package. It knows the ten
# classes of CIFAR-10 in images of 32 pixels and nothing else. For a network of
# ImageNet or one of your own all lines are the same.

# %%
import logging
import os
import tempfile
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage
from IPython.display import Markdown
from mediapipe import Image as MediaPipeImage, ImageFormat
from mediapipe.tasks.python import BaseOptions, vision
from PIL import Image

import keras_senet
from keras_senet.data.images import center_crop

# One bottleneck of this network is dead on all images (docs/study.md), of which
# the export in 8 bits would warn.
logging.getLogger("keras_senet").setLevel(logging.ERROR)

os.chdir(tempfile.mkdtemp())
model = keras_senet.SEResNet20(weights="cifar10")
# With a network: keras_senet.SEResNet50(weights="imagenet"), or of your own:
# keras.models.load_model("runs/mine/model.keras")

# %% [markdown]
# ## The file
#
# One call writes it, runs it on LiteRT (once called TFLite), compares it with
# the Keras model and takes its time. `python -m keras_senet export` does the
# same.

# %%
report = keras_senet.export_tflite(model, "se_resnet20.tflite")
print(report)

# %% [markdown]
# XNNPACK is LiteRT's fast path on ARM and x86; it runs the network as a whole.
# The difference from Keras is rounding; it was measured on noise, since no
# images were given.
#
# Beside the file lie the labels and a record of all that is known of it. The
# labels are inside the file as well: its metadata make it a ZIP archive.

# %%
for path in sorted(Path().iterdir()):
    print(f"{path!s:24}{path.stat().st_size:>10,} bytes")
with zipfile.ZipFile("se_resnet20.tflite") as archive:
    for name in archive.namelist():
        print("inside:", name)
    print("labels:", *archive.read("labels.txt").decode().split())

# %% [markdown]
# ## Smaller and faster files
#
# - `float16`: weights in 16 bits.
# - `dynamic`: weights in 8 bits; what flows through the network is turned into
#   8 bits as it comes.
# - `int8`: all in 8 bits. The ranges of all that flows are read beforehand from
#   images like those to come.
#
# Here those images are 200 squares cut from four photos at random (CC0 and
# public domain, from scikit-image), and 200 other squares are for the
# comparison. For a network in use take images of its task, such as
# `calibration_data="photos/train"`.

# %%
PHOTOS = {
    name: getattr(skimage.data, name)()
    for name in ("chelsea", "rocket", "coffee", "astronaut")
}
random = np.random.default_rng(0)


def squares(count):
    """Parts of the photos in turn, of 64 pixels or more."""
    found = []
    for number in range(count):
        photo = list(PHOTOS.values())[number % len(PHOTOS)]
        size = random.integers(64, min(photo.shape[:2]) + 1)
        top, left = random.integers(np.array(photo.shape[:2]) - size + 1)
        found.append(photo[top : top + size, left : left + size])
    return found


calibration, shown = squares(200), squares(200)
reports = {
    precision: keras_senet.export_tflite(
        model,
        f"{precision}.tflite",
        precision=precision,
        calibration_data=calibration if precision == "int8" else None,
        images=shown,
    )
    for precision in ("float32", "float16", "dynamic", "int8")
}
lines = [
    "| file | kB | same class as Keras | mean difference | ms, one thread |",
    "| --- | --- | --- | --- | --- |",
]
for precision, report in reports.items():
    lines.append(
        f"| {precision} | {report.file_bytes / 1000:,.0f} "
        f"| {report.top1_agreement:.1%} | {report.mean_difference:.1g} "
        f"| {report.milliseconds[1]:.2f} |"
    )
Markdown("\n".join(lines))

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.4), layout="constrained")
for axis, title, form, values in (
    (
        axes[0],
        "size (kB)",
        "%.0f",
        [r.file_bytes / 1000 for r in reports.values()],
    ),
    (
        axes[1],
        "one image, one thread (ms)",
        "%.2f",
        [r.milliseconds[1] for r in reports.values()],
    ),
    (
        axes[2],
        "same class as Keras (%)",
        "%.1f",
        [100 * r.top1_agreement for r in reports.values()],
    ),
):
    bars = axis.bar(list(reports), values, color=["C0", "C1", "C2", "C3"])
    axis.bar_label(bars, fmt=form, fontsize=8)
    axis.set_title(title, fontsize=10)
    axis.margins(y=0.15)
plt.show()

# %% [markdown]
# A third of the size and of the time for a few squares in a hundred that get
# another class. That is a hard test: most squares show nothing of the ten
# classes, so that a small difference turns the answer. On the 10,000 test
# images of CIFAR-10 Keras has 91.01 % right, and the files 91.01, 91.00, 90.95
# and 90.81 % (`results/litert.csv` in the repository, from
# `scripts/write_litert.py`). For your network say what you can bear:
# `check=0.98` writes nothing if fewer images keep their class.
#
# The times are of the computer that ran this, with whatever else it did.
#
# ## Predictions from the file alone
#
# The file says how its images are prepared and what its outputs are called, so
# it is all that is needed.

# %%
classifier = keras_senet.Classifier("int8.tflite")


def show(title, best):
    """Prints the first classes of every photo."""
    print(title)
    for name, rows in zip(PHOTOS, best, strict=True):
        words = (f"{label} {score:.0%}" for label, score in rows)
        print(f"  {name:12}{', '.join(words)}")


found = classifier.predict(list(PHOTOS.values()), top=3)
show("int8.tflite", [[row[1:] for row in rows] for rows in found])

# %% [markdown]
# The cat is a cat. A rocket, a cup and an astronaut are not among the ten
# classes, and the network, which can't say "none of these", is sure
# nevertheless: a high score is no proof.
#
# ## MediaPipe
#
# `ImageClassifier` is the class that an app uses, here in Python. It reads
# size, normalisation and labels from the file.

# %%
options = vision.ImageClassifierOptions(
    base_options=BaseOptions(model_asset_path="int8.tflite"), max_results=3
)


def with_mediapipe(images):
    """Label and score of the best classes of each image."""
    best = []
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for pixels in images:
            image = MediaPipeImage(
                image_format=ImageFormat.SRGB,
                data=np.ascontiguousarray(pixels),
            )
            [head] = classifier.classify(image).classifications
            best.append([(c.category_name, c.score) for c in head.categories])
    return best


show("whole photos", with_mediapipe(PHOTOS.values()))
small = [
    np.asarray(center_crop(Image.fromarray(photo), (32, 32), 1.0))
    for photo in PHOTOS.values()
]
show("cut square and scaled before", with_mediapipe(small))

# %% [markdown]
# The second list is that of `Classifier`; the first is not, and the cat has
# gone. The file is the same, the pixels are not: MediaPipe scales the whole
# photo to a square without smoothing, so that of a dozen pixels in a row it
# reads one. The upper row is nearly what it gives to the network (it reads
# between two pixels where a place is between them), the lower what the package
# gives:

# %%
figure, axes = plt.subplots(2, 4, figsize=(7, 3.6), layout="constrained")
for column, photo, image in zip(axes.T, PHOTOS.values(), small, strict=True):
    rows, columns = (np.arange(32) * side // 32 for side in photo.shape[:2])
    column[0].imshow(photo[rows][:, columns])
    column[1].imshow(image)
    for axis in column:
        axis.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("every n-th pixel")
axes[1, 0].set_ylabel("square, smoothed")
plt.show()

# %% [markdown]
# So an app should cut the bitmap square, and halve it until it is less than
# twice the network's size. The smaller the network's images, the more it
# matters: here the worst case is shown.
#
# ## In an app
#
# Put the file into `app/src/main/assets`, and
# `com.google.mediapipe:tasks-vision` into the dependencies:
#
# ```kotlin
# val classifier = ImageClassifier.createFromOptions(
#     context,
#     ImageClassifier.ImageClassifierOptions.builder()
#         .setBaseOptions(
#             BaseOptions.builder().setModelAssetPath("int8.tflite").build()
#         )
#         .setMaxResults(3)
#         .build()
# )
# val result = classifier.classify(BitmapImageBuilder(bitmap).build())
# val best = result.classificationResult().classifications()[0].categories()
# for (category in best) {
#     Log.i("SENet", "${category.categoryName()} ${category.score()}")
# }
# ```
#
# The Kotlin was written after the library's documentation and has not been run
# on a device. `docs/android.md` in the repository has it in full, and the same
# for LiteRT's `CompiledModel` without MediaPipe.
#
# ## Where 8 bits lose too much
#
# See whether the gates of the SE blocks are why (`float_gates=True`); of this
# network they are not. Then train it a little for 8 bits. That needs `pip
# install ".[qat]"` in a clone of the repository, in an environment without
# MediaPipe, since the two want different versions of absl-py, and images with
# their classes:
#
# ```python
# report = keras_senet.export.quantization_aware(
#     model, "folder:photos", "qat.tflite", epochs=3
# )
# pruned = keras_senet.export.prune(
#     model, "folder:photos", "pruned.tflite", sparsity=0.5
# )
# ```
