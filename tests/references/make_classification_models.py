"""Makes the references of classification_models, in an environment of its own.

    pip install image-classifiers tf-keras
    TF_USE_LEGACY_KERAS=1 python make_classification_models.py

For each network the layout of the HDF5 file that `save_weights` writes (layers
in its order, their variables and shapes) and the logits of two images, with
the weights that `reference_weights.keras_tensor` makes from their names.
"""

import json
from pathlib import Path

import h5py
import numpy as np
import reference_weights
import tensorflow as tf
from classification_models.tfkeras import Classifiers

SIZE = 65


def main():
    # So that the automatic names don't begin at one.
    tf.keras.layers.Conv2D(1, 1)
    for name in ("seresnet50", "seresnext50", "senet154"):
        constructor, _ = Classifiers.get(name)
        model = constructor((SIZE, SIZE, 3), weights=None, classes=1000)
        model.save_weights("layout.h5")
        layout = []
        with h5py.File("layout.h5") as file:
            for layer in model.layers:
                group = file[layer.name]
                names = group.attrs["weight_names"]
                shapes = [[n, list(group[n].shape)] for n in names]
                if shapes:
                    layout.append([layer.name, shapes])
        for variable in model.weights:
            variable.assign(
                reference_weights.keras_tensor(
                    name, variable.name, tuple(variable.shape)
                )
            )
        # Before the softmax.
        logits = tf.keras.Model(model.input, model.layers[-2].output)
        images = reference_weights.images(name, SIZE)
        np.savez_compressed(
            Path(__file__).with_name(f"classification_models_{name}.npz"),
            layout=json.dumps(layout),
            **{f"logits_{SIZE}": logits.predict(images, verbose=0)},
        )
        Path("layout.h5").unlink()


if __name__ == "__main__":
    main()
