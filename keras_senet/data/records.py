"""Datasets of tensorflow_datasets, read by number."""

import dataclasses
import hashlib
import os
import uuid

import numpy as np

from keras_senet.data.labelled import LabelledImages, find_split, from_arrays
from keras_senet.weights.store import cache_folder

# Images of one size up to so many bytes are kept in memory.
IN_MEMORY = 2 * 2**30


def from_tfds(
    name: str, split: str, data_dir: str | None = None, memory: int = IN_MEMORY
) -> LabelledImages:
    """Takes a dataset of tensorflow_datasets.

    What fits is read into memory; of the others every record's place is looked
    up once (and kept beside the dataset's cache), so that they, too, are read
    by number.

    Args:
        name: its name, such as `"cifar10"` or `"imagenet2012"`.
        split: the split.
        data_dir: its folder, or `None` for the one that `KERAS_SENET_DATA` or
            `TFDS_DATA_DIR` names, else tensorflow_datasets' own.
        memory: number of bytes up to which images are kept in memory. Defaults
            to 2 GiB.

    Returns:
        `LabelledImages`.

    Raises:
        ImportError: without tensorflow_datasets.
        ValueError: if there is no such dataset or split, or it has not been
            downloaded and prepared; it says how.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f"tfds:{name} needs tensorflow_datasets. Install it: pip install "
            '"keras_senet[data]"'
        ) from error
    data_dir = data_dir or os.environ.get("KERAS_SENET_DATA") or None
    where = data_dir or tfds.core.constants.DATA_DIR
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except Exception as error:
        raise ValueError(
            f"tfds:{name} can't be opened: {str(error).strip().splitlines()[0]}"
        ) from error
    if not builder.info.splits:
        # Nobody wants 150 GB to be downloaded unasked.
        raise ValueError(
            f"tfds:{name} is not in {where}. Download and prepare it with\n"
            '    python -c "import tensorflow_datasets as tfds; '
            f"tfds.builder('{name}', data_dir='{where}')"
            '.download_and_prepare()"\n'
            "or set KERAS_SENET_DATA to the folder that has it."
        )
    split = find_split(split, builder.info.splits, f"tfds:{name}")
    keys = builder.info.supervised_keys
    features = builder.info.features
    if keys is None or not isinstance(
        features[keys[1]], tfds.features.ClassLabel
    ):
        raise ValueError(
            f"tfds:{name} is no dataset of images with one class each. Give "
            "one such as cifar10, imagenet2012 or places365_small."
        )
    shape = features[keys[0]].shape
    count = builder.info.splits[split].num_examples
    if None not in shape and count * int(np.prod(shape)) <= memory:
        data = builder.as_dataset(split, batch_size=-1)
        images = from_arrays(
            data[keys[0]], np.asarray(data[keys[1]]), features[keys[1]].names
        )
    else:
        images = _from_records(builder, split, keys)
    return dataclasses.replace(
        images,
        name=f"tfds:{name}/{split}",
        describe=lambda number: f"tfds:{name}/{split}[{number}]",
    )


def _from_records(builder, split, keys):
    """Images read from the places of their records in the files."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = builder.info.features
    skip = {keys[0]: tfds.decode.SkipDecoding()}
    files = [str(path) for path in builder.info.splits[split].filepaths]
    index = _index(builder, split, files, keys, skip)
    constants = [
        tf.constant(index[key]) for key in ("shard", "start", "length", "after")
    ]
    names = tf.constant(files)

    def read(number):
        shard, start, length, after = (
            tf.gather(constant, number) for constant in constants
        )
        record = tf.data.FixedLengthRecordDataset(
            tf.gather(names, shard), length, start, after
        ).get_single_element()
        return features.deserialize_example(record, decoders=skip)[keys[0]]

    return LabelledImages(
        name="",
        labels=index["label"],
        class_names=list(features[keys[1]].names),
        read=read,
        describe=str,
    )


def _index(builder, split, files, keys, skip):
    """Of every record its file, place, length and class; looked up once."""
    import tensorflow as tf
    from rich.progress import track

    place = hashlib.sha256("\n".join(files).encode()).hexdigest()[:16]
    kept = (
        cache_folder()
        / "records"
        / f"{builder.info.full_name.replace('/', '-')}-{split}-{place}.npz"
    )
    if kept.exists():
        with np.load(kept) as index:
            if len(index["label"]) == builder.info.splits[split].num_examples:
                return dict(index)
    rows = []
    for number, file in enumerate(
        track(files, f"looking up the records of {builder.name}/{split}")
    ):
        size, start = os.path.getsize(file), 0
        records = tf.data.TFRecordDataset(file).map(
            lambda record: (
                tf.strings.length(record),
                builder.info.features.deserialize_example(
                    record, decoders=skip
                )[keys[1]],
            )
        )
        for length, label in records.as_numpy_iterator():
            # Length and its check, 12 bytes, before; a check of 4 bytes after.
            rest = size - start - 12 - length
            rows.append((number, start + 12, length, rest, label))
            start += 12 + length + 4
    columns = np.array(rows, "int64").T
    index = dict(
        zip(
            ("shard", "start", "length", "after", "label"), columns, strict=True
        )
    )
    index["label"] = index["label"].astype("int32")
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(f".{uuid.uuid4().hex}.partial")
    with partial.open("wb") as file:
        np.savez(file, **index)
    partial.replace(kept)
    return index
