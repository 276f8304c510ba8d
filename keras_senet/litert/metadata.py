"""What a LiteRT file says about itself, as MediaPipe and ML Kit read it.

The metadata are a flatbuffer of their own (TensorFlow Lite's
metadata_schema.fbs, identifier M001), kept as a buffer of the model under the
name TFLITE_METADATA. The files that it names (labels) follow the model as an
uncompressed zip archive.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from keras_senet.litert.flatbuffer import add_buffer, packed

# The fields of the schema's tables, in its order: their places are what a
# reader knows them by.
TABLES = {
    "ModelMetadata": (
        "name",
        "description",
        "version",
        "subgraph_metadata",
        "author",
        "license",
        "associated_files",
        "min_parser_version",
    ),
    "SubGraphMetadata": (
        "name",
        "description",
        "input_tensor_metadata",
        "output_tensor_metadata",
    ),
    "TensorMetadata": (
        "name",
        "description",
        "dimension_names",
        "content",
        "process_units",
        "stats",
        "associated_files",
    ),
    "Content": ("content_properties_type", "content_properties"),
    "ImageProperties": ("color_space", "default_size"),
    "ImageSize": ("width", "height"),
    "FeatureProperties": (),
    "ProcessUnit": ("options_type", "options"),
    "NormalizationOptions": ("mean", "std"),
    "Stats": ("max", "min"),
    "AssociatedFile": ("name", "description", "type"),
}
# Members of its unions and enumerations.
FEATURE, IMAGE = np.uint8(1), np.uint8(2)
RGB, GREY = np.int8(1), np.int8(2)
NORMALIZATION = np.uint8(1)
DESCRIPTIONS, LABELS_OF_AXIS = np.int8(1), np.int8(2)
# What readers of 2020 and later understand.
PARSER = "1.0.0"
IDENTIFIER = b"M001"
BUFFER = "TFLITE_METADATA"
LABELS_FILE = "labels.txt"
CARD_FILE = "card.json"


def add_metadata(
    content: bytes, card: Mapping, labels: Sequence[str] | None
) -> bytes:
    """Returns a LiteRT file that says what it takes and gives.

    Args:
        content: a LiteRT file with one input, of images in RGB or grey with
            values in [0, 255], and one output.
        card: what `Card.to_dict` gives; it is kept in the file, so that this
            package can read it back.
        labels: names of the outputs, or `None`.

    Returns:
        The file with metadata, and with the labels and the card as files in it.
    """
    # TensorFlow's own reader and writer of the schema of models.
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    described = np.frombuffer(_described(model, card, labels), "uint8")
    entry = schema.MetadataT()
    entry.name, entry.buffer = BUFFER, add_buffer(model, described)
    model.metadata = [*(model.metadata or ()), entry]
    model.description = f"{card['title']} ({card['network']})"
    files = {CARD_FILE: json.dumps(card)}
    if labels is not None:
        files[LABELS_FILE] = "".join(f"{label}\n" for label in labels)
    archive = io.BytesIO(packed(model))
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as added:
        for name, text in files.items():
            # The same file of the same model, whenever it is written.
            added.writestr(zipfile.ZipInfo(name), text)
    return archive.getvalue()


def read_files(content: bytes) -> dict[str, str]:
    """Returns the files in a LiteRT file.

    Args:
        content: the file's content.

    Returns:
        Texts by name; none if it holds no files.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {
                name: archive.read(name).decode() for name in archive.namelist()
            }
    except (zipfile.BadZipFile, UnicodeDecodeError):
        return {}


def _described(model, card, labels):
    """The metadata's flatbuffer."""
    import flatbuffers

    graph = model.subgraphs[0]
    image = graph.tensors[graph.inputs[0]]
    _, height, width, channels = image.shape
    content = _content(
        IMAGE,
        "ImageProperties",
        color_space=RGB if channels == 3 else GREY,
        default_size=_table(
            "ImageSize", width=np.uint32(width), height=np.uint32(height)
        ),
    )
    kind = "RGB" if channels == 3 else "grey"
    taken = {
        "name": "image",
        "description": f"{kind} image of {height} x {width} pixels, values in "
        "[0, 255]; it is normalised inside",
        "content": content,
        "stats": _table("Stats", max=[255.0], min=[0.0]),
    }
    if image.quantization is None or image.quantization.scale is None:
        # Readers ask it of every float file; those of pixels have none.
        taken["process_units"] = [
            _table(
                "ProcessUnit",
                options_type=NORMALIZATION,
                options=_table("NormalizationOptions", mean=[0.0], std=[1.0]),
            )
        ]
    given = {
        "name": "probability" if labels is not None else "output",
        "description": "one value per class"
        if labels is not None
        else "features",
        "content": _content(FEATURE, "FeatureProperties"),
    }
    if labels is not None:
        given["stats"] = _table("Stats", max=[1.0], min=[0.0])
        given["associated_files"] = [
            _table(
                "AssociatedFile",
                name=LABELS_FILE,
                description="names of the classes",
                type=LABELS_OF_AXIS,
            )
        ]
    graph = _table(
        "SubGraphMetadata",
        input_tensor_metadata=[_table("TensorMetadata", **taken)],
        output_tensor_metadata=[_table("TensorMetadata", **given)],
    )
    facts = _table(
        "ModelMetadata",
        name=card["title"],
        description=f"{card['title']}, weights: {card['weights']}",
        version="v1",
        subgraph_metadata=[graph],
        author=card["origin"] or "",
        license=card["licence"] or "",
        associated_files=[
            _table(
                "AssociatedFile",
                name=CARD_FILE,
                description="the network, its weights and its images",
                type=DESCRIPTIONS,
            )
        ],
        min_parser_version=PARSER,
    )
    builder = flatbuffers.Builder()
    builder.Finish(_write(builder, facts), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _content(kind, name, /, **fields):
    return _table(
        "Content",
        content_properties_type=kind,
        content_properties=_table(name, **fields),
    )


def _table(kind, /, **fields):
    """The values of a table by their places, as `_write` takes them."""
    size = len(TABLES[kind])
    places = TABLES[kind].index
    return size, {places(key): value for key, value in fields.items()}


def _write(builder, value):
    """Writes a text, a vector or a table, and returns where it is."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, list):
        # All of one kind: numbers as they are, the rest by their places.
        numbers = isinstance(value[0], float)
        places = value if numbers else [_write(builder, one) for one in value]
        builder.StartVector(4, len(value), 4)
        for place in reversed(places):
            if numbers:
                builder.PrependFloat32(place)
            else:
                builder.PrependUOffsetTRelative(place)
        return builder.EndVector()
    size, fields = value
    inner = {
        slot: _write(builder, one)
        for slot, one in fields.items()
        if not isinstance(one, np.integer)
    }
    builder.StartObject(size)
    for slot, one in fields.items():
        if slot in inner:
            builder.PrependUOffsetTRelativeSlot(slot, inner[slot], 0)
        else:
            # Its type is part of its name: PrependUint8Slot, PrependInt8Slot.
            prepend = f"Prepend{one.dtype.name.capitalize()}Slot"
            getattr(builder, prepend)(slot, int(one), 0)
    return builder.EndObject()
