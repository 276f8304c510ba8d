"""What scripts/benchmark.py times, one process per contender.

A contender is a function that prepares a work and returns it as a function
without arguments. The process says when it is ready, does the work once per
line on its standard input, and answers with the seconds that it took.
"""

import contextlib
import json
import os
import re
import statistics
import sys
import time
from functools import partial
from pathlib import Path

# Read when the frameworks are imported; the first argument is the case.
CASE = json.loads(sys.argv[1]) if __name__ == "__main__" else {"threads": 2}
os.environ.update(
    TF_ENABLE_ONEDNN_OPTS="1",
    TF_CPP_MIN_LOG_LEVEL="3",
    OMP_NUM_THREADS=str(CASE["threads"]),
    KERAS_BACKEND="tensorflow",
)

import numpy as np

RATE, MOMENTUM, DECAY = 0.01, 0.9, 5e-4


# A turn is the median of several times, at least this long together, so that
# what a process pays for having waited does not count.
TURN_SECONDS = 0.5


# The peak memory of the process once its framework is imported.
IMPORTED = {}


def peak_mib():
    """The peak memory of this process, from Linux.

    The resource module's counts from what the parent had.
    """
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024


def import_keras(threads):
    import keras
    import tensorflow as tf

    if not IMPORTED:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        # TensorFlow starts at its first operation.
        tf.constant(0)
        IMPORTED["mib"] = peak_mib()
    return keras, tf


def import_timm(threads):
    """timm, with the operators declared that torchvision's C++ part has."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    with contextlib.suppress(RuntimeError):
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor d, Tensor s, float t) -> Tensor")
    import timm

    torch.set_num_threads(threads)
    torch.zeros(())
    IMPORTED["mib"] = peak_mib()
    # Kept, since the declarations go with it.
    timm.torchvision_library = library
    return timm, torch


def our_network(model, size, **keywords):
    """The graph that timm has under this name: the same strides and pools."""
    import keras_senet
    from keras_senet.timm import ARCHITECTURES

    for network, geometry, _ in ARCHITECTURES.values():
        if network == model:
            keywords = {**geometry, **keywords}
            break
    return keras_senet.create_model(
        model, weights=None, input_shape=(size, size, 3), **keywords
    )


def images_and_labels(case):
    random = np.random.default_rng(0)
    shape = (case["batch"], case["size"], case["size"], 3)
    images = random.uniform(0, 255, shape).astype("float32")
    return images, random.integers(0, 1000, case["batch"])


def keras_step(model, case, optimizer=None, xla=False):
    keras, tf = import_keras(case["threads"])
    model.compile(
        optimizer or keras.optimizers.SGD(RATE, momentum=MOMENTUM),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=xla,
    )
    images, labels = map(tf.constant, images_and_labels(case))
    return lambda: model.train_on_batch(images, labels)


def train_keras_senet(case, xla=False):
    import_keras(case["threads"])
    from keras_senet.optimizers import SGD

    model = our_network(case["model"], case["size"], classifier_activation=None)
    return keras_step(model, case, SGD(RATE, momentum=MOMENTUM), xla)


def train_keras_layers(case):
    """The same graph in layers of Keras, and with its optimizer."""
    import_keras(case["threads"])
    from keras_senet.layers import BatchNormalization, GroupedConv2D

    # What these do otherwise than the layers of Keras that they are.
    del BatchNormalization.call, GroupedConv2D.convolution_op
    model = our_network(case["model"], case["size"], classifier_activation=None)
    return keras_step(model, case)


def train_plain(case):
    """The same network without its SE blocks."""
    plain = case["model"].removeprefix("se_")
    return train_keras_senet({**case, "model": plain})


# The networks of zeromodels as arguments of its class.
ZEROMODELS = {
    "se_resnet50": {"depths": (3, 4, 6, 3)},
    "se_resnext50": {
        "depths": (3, 4, 6, 3),
        "block_fn_name": "resnext_block",
    },
}


def called(model, names, peer):
    """What a peer calls the network; ends the process where it has none."""
    return names.get(model) or sys.exit(f"{peer} has no {model}")


def train_zeromodels(case):
    import_keras(case["threads"])
    arguments = called(case["model"], ZEROMODELS, "zeromodels")
    from zeromodels.models.senet import SENetImageClassify

    model = SENetImageClassify(image_size=case["size"], **arguments)
    return keras_step(model, case)


def train_keras(case):
    name = called(case["model"], KERAS, "keras.applications")
    keras, _ = import_keras(case["threads"])
    model = getattr(keras.applications, name)(
        weights=None,
        input_shape=(case["size"], case["size"], 3),
        classifier_activation=None,
    )
    return keras_step(model, case)


def timm_name(case):
    return called(case["model"], {case["model"]: case["timm"]}, "timm")


def train_timm(case):
    timm, torch = import_timm(case["threads"])
    model = timm.create_model(timm_name(case))
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=MOMENTUM)
    loss_of = torch.nn.CrossEntropyLoss()
    images, labels = images_and_labels(case)
    images = torch.from_numpy(images.transpose(0, 3, 1, 2) / 255)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.from_numpy(labels)

    def step():
        optimizer.zero_grad()
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def infer_classifier(case, model, **keywords):
    import_keras(case["threads"])
    from keras_senet import Classifier

    classifier = Classifier(our_network(model, case["size"]), **keywords)
    images = images_and_labels(case)[0]
    return lambda: classifier.scores(images)


def infer_keras_senet(case):
    return infer_classifier(case, case["model"], threads=case["threads"])


def infer_keras_graph(case):
    """Without LiteRT: the Keras model as a TensorFlow graph."""
    return infer_classifier(case, case["model"], engine="keras")


def infer_int8(case):
    """In 8 bits, calibrated on noise: for its speed alone."""
    import_keras(case["threads"])
    from keras_senet import Classifier

    images = images_and_labels(case)[0]
    classifier = Classifier(
        our_network(case["model"], case["size"]),
        precision="int8",
        threads=case["threads"],
        calibration_data=images[:2],
    )
    return lambda: classifier.scores(images)


def infer_plain(case):
    plain = case["model"].removeprefix("se_")
    return infer_keras_senet({**case, "model": plain})


def infer_timm(case, compiled=False):
    timm, torch = import_timm(case["threads"])
    model = timm.create_model(timm_name(case))
    model = model.to(memory_format=torch.channels_last).eval()
    if compiled:
        model = torch.compile(model)
    images = torch.from_numpy(images_and_labels(case)[0].transpose(0, 3, 1, 2))
    images = (images / 255).to(memory_format=torch.channels_last)

    def step():
        with torch.inference_mode():
            return model(images)

    return step


def infer_torch_compile(case):
    return infer_timm(case, compiled=True)


def onnx_of_timm(case):
    """timm's network as an ONNX file, and its images."""
    timm, torch = import_timm(case["threads"])
    path = Path(case["folder"]) / f"{case['model']}_{case['size']}.onnx"
    images = images_and_labels(case)[0].transpose(0, 3, 1, 2) / 255
    if not path.exists():
        model = timm.create_model(timm_name(case)).eval()
        torch.onnx.export(
            model,
            (torch.zeros(2, *images.shape[1:]),),
            path,
            input_names=["images"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    return path, np.ascontiguousarray(images)


def infer_onnxruntime(case):
    path, images = onnx_of_timm(case)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case["threads"]
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"images": images})


def infer_openvino(case):
    path, images = onnx_of_timm(case)
    import openvino

    core = openvino.Core()
    network = core.read_model(path)
    network.reshape(list(images.shape))
    # In float32, since it takes bfloat16 by itself where the CPU has it.
    compiled = core.compile_model(
        network,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": case["threads"],
        },
    )
    request = compiled.create_infer_request()
    return lambda: request.infer({0: images})


# The networks that keras.applications has.
KERAS = {
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "mobilenet": "MobileNet",
}


def build_keras_senet(case):
    keras, _ = import_keras(case["threads"])
    import keras_senet

    def step():
        keras.backend.clear_session()
        keras_senet.create_model(case["model"], weights=None)

    return step


def build_keras(case):
    keras, _ = import_keras(case["threads"])
    plain = called(
        case["model"].removeprefix("se_"), KERAS, "keras.applications"
    )

    def step():
        keras.backend.clear_session()
        getattr(keras.applications, plain)(weights=None)

    return step


def input_keras_senet(case):
    import_keras(case["threads"])
    from keras_senet.data.pipeline import image_folder

    batches = image_folder(
        case["photos"],
        case["size"],
        case["batch"],
        seed=1,
        threads=case["threads"],
    )
    return lambda: sum(len(labels) for _, labels in batches)


def input_torch(case):
    """torchvision's usual transforms on Pillow images, in worker processes."""
    import_timm(case["threads"])
    import torch
    from torchvision import datasets, transforms

    photos = datasets.ImageFolder(
        case["photos"],
        transforms.Compose(
            [
                transforms.RandomResizedCrop(case["size"]),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
            ]
        ),
    )
    loader = torch.utils.data.DataLoader(
        photos,
        case["batch"],
        shuffle=True,
        num_workers=case["threads"],
        persistent_workers=True,
    )
    return lambda: sum(len(labels) for _, labels in loader)


def input_keras(case):
    """image_dataset_from_directory, and Keras' layers for crop and flip."""
    keras, tf = import_keras(case["threads"])
    photos = keras.utils.image_dataset_from_directory(
        case["photos"],
        batch_size=case["batch"],
        image_size=(case["size"], case["size"]),
        seed=1,
    )
    crop = keras.layers.RandomCrop(case["size"], case["size"])
    flip = keras.layers.RandomFlip("horizontal")

    def transform(images, labels):
        return flip(crop(images, training=True), training=True), labels

    batches = photos.map(transform, tf.data.AUTOTUNE).prefetch(2)
    return lambda: sum(len(labels) for _, labels in batches)


def litert_step(content, case):
    """A file, one image at a time, given as the numbers that it takes."""
    from keras_senet.litert.runtime import interpreter_of

    interpreter = interpreter_of(content, case["threads"])
    [taken] = interpreter.get_input_details()
    [given] = interpreter.get_output_details()
    images, _ = images_and_labels({**case, "batch": 1})
    image = images.astype(taken["dtype"])

    def step():
        interpreter.set_tensor(taken["index"], image)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return step


def litert_keras_senet(case, precision="float32"):
    import_keras(case["threads"])
    from keras_senet.litert.conversion import to_litert
    from keras_senet.litert.runtime import interpreter_of, operators

    model = our_network(case["model"], case["size"])
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if "_se" in variable.path:
            # Gates of an untrained network hardly move, which 8 bits make
            # constants of.
            variable.assign(random.standard_normal(variable.shape))
    images, _ = images_and_labels({**case, "batch": 20})
    pixels = precision == "int8"
    content = to_litert(model, precision, images[:, None], pixels=pixels)
    if operators(interpreter_of(content, 1))[2] != 1:
        sys.exit("XNNPACK does not run the file as a whole")
    return litert_step(content, case)


def litert_plain(case, precision="float32"):
    plain = case["model"].removeprefix("se_")
    return litert_keras_senet({**case, "model": plain}, precision)


def litert_keras(case):
    """MobileNet of keras.applications by TFLiteConverter, as most do it."""
    if case["model"] != "se_mobilenet":
        sys.exit(f"there is no {case['model']} in keras.applications")
    keras, tf = import_keras(case["threads"])
    size = case["size"]
    model = keras.applications.MobileNet(
        weights=None, input_shape=(size, size, 3)
    )
    images, _ = images_and_labels({**case, "batch": 20})
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [image[None] / 127.5 - 1] for image in images
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    return litert_step(converter.convert(), case)


def loop_keras_senet(case):
    """The loop of `keras_senet.training`, between two looks at the clock."""
    import_keras(case["threads"])
    from keras_senet.data.labelled import open_images
    from keras_senet.data.pipeline import training_batches
    from keras_senet.data.sampling import Sampler
    from keras_senet.distribution import make_strategy
    from keras_senet.training import TrainConfig
    from keras_senet.training.network import build_model
    from keras_senet.training.step import Steps

    config = TrainConfig(
        case["model"],
        "tfds:cifar10",
        image_size=case["size"],
        batch_size=case["batch"],
        nesterov=True,
        weight_decay=DECAY,
    )
    images = open_images(config.data)
    strategy = make_strategy()
    steps = Steps(config, build_model(config, images, strategy), strategy)
    size = (case["size"], case["size"])
    batches = iter(
        training_batches(
            images,
            Sampler(images.labels, 0),
            size,
            case["batch"],
            range(10**6),
            "padded",
        )
    )
    rates = np.full(config.steps_per_call, RATE)

    def step():
        for start in range(0, case["steps"], len(rates)):
            numbers = range(start, start + len(rates))
            steps.run(batches, numbers, "all", rates, False)

    return step


def loop_fit(case):
    """Keras' own `fit`, with layers of this package."""
    keras, tf = import_keras(case["threads"])
    import keras_senet
    from keras_senet.data.records import from_tfds

    images = from_tfds("cifar10", "train")
    model = keras_senet.create_model(case["model"], weights=None)
    optimizer = keras.optimizers.SGD(
        RATE, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer,
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )

    def crop_and_flip(number, label):
        pixels = tf.pad(images.read(number), ((4, 4), (4, 4), (0, 0)))
        pixels = tf.image.random_crop(pixels, (32, 32, 3))
        return tf.image.random_flip_left_right(pixels), label

    count = len(images)
    data = tf.data.Dataset.from_tensor_slices((np.arange(count), images.labels))
    data = data.shuffle(count).repeat().map(crop_and_flip, tf.data.AUTOTUNE)
    data = data.batch(case["batch"]).prefetch(tf.data.AUTOTUNE)
    return lambda: model.fit(data, steps_per_epoch=case["steps"], verbose=0)


def loop_torch(case):
    """torch: the same network, images as tensors, in channels_last."""
    import torch
    from torch import nn
    from torch.nn import functional

    from keras_senet.data.records import from_tfds

    torch.set_num_threads(case["threads"])
    IMPORTED["mib"] = peak_mib()

    class Block(nn.Module):
        def __init__(self, inputs, width, stride):
            super().__init__()
            self.stride, self.pad = stride, (width - inputs) // 2
            self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.norm1, self.norm2 = (
                nn.BatchNorm2d(width),
                nn.BatchNorm2d(width),
            )
            self.down = nn.Conv2d(width, width // 16, 1)
            self.up = nn.Conv2d(width // 16, width, 1)

        def forward(self, x):
            y = functional.relu(self.norm1(self.conv1(x)))
            y = self.norm2(self.conv2(y))
            gate = functional.relu(self.down(y.mean((2, 3), keepdim=True)))
            y = y * torch.sigmoid(self.up(gate))
            x = x[:, :, :: self.stride, :: self.stride]
            pads = (0, 0, 0, 0, self.pad, self.pad)
            return functional.relu(y + functional.pad(x, pads))

    blocks, inputs = [], 16
    for width in (16, 32, 64):
        for number in range(3):
            stride = 2 if width > 16 and not number else 1
            blocks.append(Block(inputs, width, stride))
            inputs = width
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(),
        RATE,
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=DECAY,
    )
    images = from_tfds("cifar10", "train")
    pixels = np.stack([images.read(n).numpy() for n in range(len(images))])
    pads = ((0, 0), (4, 4), (4, 4), (0, 0))
    pixels = torch.from_numpy(np.pad(pixels, pads))
    labels = torch.from_numpy(images.labels.astype("int64"))
    places = torch.arange(case["size"])

    def step():
        for _ in range(case["steps"]):
            numbers = torch.randint(len(labels), (case["batch"],))
            y, x = (
                torch.randint(9, (case["batch"], 1)) + places for _ in range(2)
            )
            batch = pixels[numbers[:, None, None], y[:, :, None], x[:, None]]
            flips = torch.rand(case["batch"], 1, 1, 1) < 0.5
            batch = torch.where(flips, batch.flip(2), batch)
            batch = (batch.float() - 127.5) / 127.5
            outputs = model(batch.permute(0, 3, 1, 2))
            loss = functional.cross_entropy(outputs, labels[numbers])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return step


def photos_in_memory(case):
    """All photos at the network's size."""
    from keras_senet.data.pipeline import image_folder

    _, tf = import_keras(case["threads"])
    batches = image_folder(
        case["photos"], case["size"], case["images"], training=False
    )
    images, labels = next(iter(batches))
    return tf.data.Dataset.from_tensor_slices((images, labels))


def on_threads(dataset, case):
    _, tf = import_keras(case["threads"])
    options = tf.data.Options()
    options.threading.private_threadpool_size = case["threads"]
    options.autotune.enabled = False
    dataset = dataset.prefetch(2).with_options(options)
    return lambda: sum(len(labels) for _, labels in dataset)


def augment_keras_senet(case):
    from keras_senet.data.augmentation import rand_augment

    _, tf = import_keras(case["threads"])
    photos = photos_in_memory(case)
    seeds = tf.data.Dataset.random(seed=1).batch(2)
    augmented = tf.data.Dataset.zip(photos, seeds).map(
        lambda photo, seed: (rand_augment(photo[0], seed), photo[1]),
        case["threads"],
    )
    return on_threads(augmented.batch(case["batch"]), case)


def augment_keras(case):
    keras, _ = import_keras(case["threads"])
    layer = keras.layers.RandAugment(value_range=(0, 255))
    batches = photos_in_memory(case).batch(case["batch"])
    augmented = batches.map(
        lambda images, labels: (layer(images, training=True), labels),
        case["threads"],
    )
    return on_threads(augmented, case)


def augment_torchvision(case):
    """Torchvision's RandAugment on Pillow images, in this thread alone."""
    import_timm(case["threads"])
    from PIL import Image
    from torchvision import transforms

    photos = [
        Image.fromarray(image.numpy()) for image, _ in photos_in_memory(case)
    ]
    operation = transforms.RandAugment()
    # One of the threads, so that the rate per core is that of one core.
    part = photos[:: case["threads"]]
    return lambda: [operation(photo) for photo in part]


# Work -> contender -> function. The first of a work is what the others are
# compared with. The memory of a training step is counted without what the
# imports take ("memory") and with it ("process").
CONTENDERS = {
    "train": {
        "keras_senet": train_keras_senet,
        "timm": train_timm,
        "keras": train_keras,
        "keras_layers": train_keras_layers,
        "zeromodels": train_zeromodels,
        "plain": train_plain,
        "xla": partial(train_keras_senet, xla=True),
    },
    "infer": {
        "keras_senet": infer_keras_senet,
        "keras_graph": infer_keras_graph,
        "timm": infer_timm,
        "torch_compile": infer_torch_compile,
        "onnxruntime": infer_onnxruntime,
        "openvino": infer_openvino,
        "plain": infer_plain,
        "int8": infer_int8,
    },
    "build": {"keras_senet": build_keras_senet, "keras": build_keras},
    "input": {
        "keras_senet": input_keras_senet,
        "torch": input_torch,
        "keras": input_keras,
    },
    "loop": {
        "keras_senet": loop_keras_senet,
        "fit": loop_fit,
        "torch": loop_torch,
    },
    "litert": {
        "keras_senet": litert_keras_senet,
        "plain": litert_plain,
    },
    "litert_int8": {
        "keras_senet": partial(litert_keras_senet, precision="int8"),
        "float32": litert_keras_senet,
        "plain": partial(litert_plain, precision="int8"),
        "keras": litert_keras,
    },
    "augment": {
        "keras_senet": augment_keras_senet,
        "torchvision": augment_torchvision,
        "keras": augment_keras,
    },
}
CONTENDERS["memory"] = CONTENDERS["process"] = CONTENDERS["train"]
# Whose versions stand in the results.
PACKAGES = [
    "keras_senet",
    "keras",
    "tensorflow",
    "torch",
    "torchvision",
    "timm",
    "onnxruntime",
    "openvino",
    "ai-edge-litert",
    "zeromodels",
    "pillow",
    "numpy",
]


def names():
    """What timm calls the network, as far as this process knows."""
    timm = sys.modules.get("keras_senet.timm")
    if timm is None:
        return {}
    networks = {name: row[0] for name, row in timm.ARCHITECTURES.items()}
    found = [n for n, network in networks.items() if network == CASE["model"]]
    return {"timm": found[0] if found else None}


def versions():
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def main():
    # The frameworks write to standard output too.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**values):
        print(json.dumps(values), file=answers, flush=True)

    step = CONTENDERS[CASE["work"]][CASE["contender"]](CASE)
    for _ in range(CASE["warmup"]):
        step()
    answer(versions=versions(), names=names())
    for _ in sys.stdin:
        times = []
        while len(times) < CASE["times"] or (
            CASE["times"] > 1 and sum(times) < TURN_SECONDS
        ):
            begin = time.perf_counter()
            step()
            times.append(time.perf_counter() - begin)
        peak = peak_mib()
        answer(
            seconds=statistics.median(times),
            process=peak,
            memory=peak - IMPORTED["mib"],
        )


if __name__ == "__main__":
    main()
