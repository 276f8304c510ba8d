"""Converts the weights of another project into a file of Keras.

Reads .safetensors (timm, torchvision), .h5 (keras.applications,
classification_models) and .caffemodel (the authors) files.
"""

import tempfile
from pathlib import Path


def configure(parser) -> None:
    """Adds the arguments."""
    parser.add_argument("file", help="the file to read")
    parser.add_argument(
        "--model",
        required=True,
        help="the network it is of, such as se_resnet50, or as timm calls it, "
        "such as seresnet50",
    )
    parser.add_argument(
        "--dialect",
        help="whose names it has: torch, cadene, keras_applications, "
        "classification_models or caffe (default: told from the file)",
    )
    parser.add_argument(
        "--out",
        required=True,
        help="the file to write: .weights.h5, or .keras for the whole model",
    )


def run(args) -> int:
    """Writes the file."""
    out = Path(args.out)
    if not args.out.endswith((".weights.h5", ".keras")):
        raise ValueError(
            f"--out is {args.out!r}. Allowed: a name that ends in .weights.h5 "
            "(weights alone) or .keras (the whole model)."
        )
    if out.is_dir():
        raise ValueError(f"--out is {args.out!r}, which is a folder.")
    if not out.parent.is_dir():
        raise ValueError(
            f"--out is {args.out!r}, and there is no folder "
            f"{str(out.parent)!r}. Make it first."
        )
    model = _open(args.file, args.model, args.dialect)
    import keras_senet
    from keras_senet.architectures.variants import keywords
    from keras_senet.weights.sources import GEOMETRY

    # A folder of its own, so that no file of the user's is in the way.
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        partial = Path(folder) / out.name
        if args.out.endswith(".keras"):
            model.save(partial)
        else:
            model.save_weights(partial)
        partial.replace(out)
    record = model.card.record
    graph = [
        f"{key}={record[key]!r}"
        for key in GEOMETRY
        if key in keywords(keras_senet.find_network(model.card.network))
    ]
    print(
        f"wrote {out}: {model.card.title} ({', '.join(graph)}), output "
        f"{model.output_shape}"
    )
    return 0


def _open(path, name, dialect):
    """The model of a file, in the graph that its project has."""
    import keras_senet
    from keras_senet.timm import ARCHITECTURES
    from keras_senet.weights.convert import geometry, translate
    from keras_senet.weights.load import assign

    architecture = name.partition(".")[0]
    if architecture in ARCHITECTURES:
        name = ARCHITECTURES[architecture][0]
    network = keras_senet.find_network(name)
    arrays, dialect = translate(path, network, dialect)
    head = arrays.get("predictions/kernel")
    model = keras_senet.create_model(
        network.name,
        weights=None,
        include_top=head is not None,
        classes=None if head is None else head.shape[-1],
        **geometry(dialect, network),
    )
    assign(model, arrays, f"The weights file {path!r}")
    model.card.weights = path
    return model
