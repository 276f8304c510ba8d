"""Published weights against what was published of them."""

from pathlib import Path

import keras

from keras_senet.applications import CONSTRUCTORS
from keras_senet.classifier import Classifier
from keras_senet.data.images import ImageError, find_images
from keras_senet.preprocessing import wordnet_ids
from keras_senet.weights.sources import Source


def find_labelled(folder: str | Path) -> list[Path]:
    """Returns the images in the folders that are named by WordNet ids.

    Args:
        folder: folder with a folder per class, such as `n01440764`.

    Returns:
        List of paths.

    Raises:
        ValueError: if there are none, or a folder is no class of ImageNet's.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"There is no folder {str(folder)!r}.")
    images = find_images([folder])
    unknown = {path.parent.name for path in images} - set(wordnet_ids())
    if unknown:
        raise ValueError(
            f"The folder {str(folder)!r} has images in {min(unknown)!r}, which "
            "is no class of ImageNet's 1000. Allowed: FOLDER/<WordNet id>/"
            "<image>, such as n01440764/ILSVRC2012_val_00000293.JPEG."
        )
    return images


def verify(source: Source, images: list[Path] | None = None) -> dict:
    """Fetches weights, loads them, and scores them on images.

    Args:
        source: the row of the table.
        images: images in folders that are named by WordNet ids, or `None` for
            no score. Defaults to `None`.

    Returns:
        Dictionary of `network`, `tag`, `error` (`None` if all went well),
        `published` and `measured` (top-1 accuracy, 0 to 1, or `None`),
        `images` (the number scored) and `unreadable`.
    """
    result = {
        "network": source.network.name,
        "tag": source.tag,
        "error": None,
        "published": (source.published or source.measured or {}).get("top1"),
        "measured": None,
        "images": 0,
        "unreadable": 0,
    }
    keras.backend.clear_session()
    size = source.input_size
    try:
        model = CONSTRUCTORS[source.network.name](
            weights=source.tag, input_shape=(size, size, 3)
        )
    except ValueError as error:
        return {**result, "error": str(error)}
    if images and source.network.dataset == "imagenet":
        hits = 0
        classifier = Classifier(model, engine="keras")
        for path, predicted in classifier.predict_files(images, top=1):
            if isinstance(predicted, ImageError):
                result["unreadable"] += 1
                continue
            result["images"] += 1
            hits += predicted[0][0] == path.parent.name
        result["measured"] = hits / max(1, result["images"])
        distance = abs(result["measured"] - result["published"])
        # Below a thousand images chance alone may be as large.
        if result["images"] >= 1000 and distance > 0.02:
            result["error"] = (
                f"weights={source.tag!r} of {source.network.title} score "
                f"{result['measured']:.2%} on {result['images']} images, and "
                f"{result['published']:.2%} was published. The file, the graph "
                "or the images are not what they should be."
            )
    return result
