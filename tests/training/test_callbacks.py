"""What callbacks remember: cut anywhere, they go on as if never cut."""

import csv

import keras
import numpy as np
import pytest

from keras_senet.training import callbacks as remembered

# Some improve by less than the smallest change that counts, some get worse.
LOSSES = [1.0, 0.9, 0.895, 0.905, 0.7, 0.705, 0.72, 0.699, 0.5]


class Counts(keras.callbacks.Callback):
    """One of a user's own, whose argument is what it changes."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(epoch)


MAKE = {
    "stopping": lambda: keras.callbacks.EarlyStopping(
        patience=9, min_delta=0.02, restore_best_weights=True
    ),
    "plateau": lambda: keras.callbacks.ReduceLROnPlateau(
        patience=2, min_delta=0.02
    ),
    "own": lambda: Counts([]),
}


def model():
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


def begin(callback, network):
    callback.set_model(network)
    callback.on_train_begin()
    return callback


def seen_of(callback):
    """What it decides by; the sign of `min_delta` is Keras' business."""
    names = ("wait", "best", "best_epoch", "cooldown_counter", "seen")
    return [getattr(callback, name, None) for name in names]


@pytest.mark.parametrize("name", MAKE)
def test_cut_after_every_epoch(name):
    whole = begin(MAKE[name](), model())
    network = model()
    states = arrays = None
    for epoch, loss in enumerate(LOSSES):
        whole.on_epoch_end(epoch, {"val_loss": loss})
        callback = MAKE[name]()
        settings = remembered.settings_of([callback])
        begin(callback, network)
        if states:
            remembered.restore([callback], states, arrays)
        callback.on_epoch_end(epoch, {"val_loss": loss})
        assert seen_of(callback) == seen_of(whole)
        states, arrays = remembered.state_of([callback], settings)
    rate = float(whole.model.optimizer.learning_rate)
    assert float(network.optimizer.learning_rate) == rate
    assert (rate < 0.005) == (name == "plateau")


def test_arguments_are_those_of_the_new_call():
    """A run's folder may be moved, and patience be given anew."""
    old = keras.callbacks.ModelCheckpoint("old.keras", save_best_only=True)
    settings = remembered.settings_of([old])
    old.best, old._current_epoch = 0.5, 3
    states, arrays = remembered.state_of([old], settings)
    new = keras.callbacks.ModelCheckpoint("new.keras", save_best_only=True)
    remembered.restore([new], states, arrays)
    assert new.filepath == "new.keras"
    assert (new.best, new._current_epoch) == (0.5, 3)


def test_columns_stay_where_they_are(tmp_path):
    """Where the first row after the cut has other values than the first."""
    path = tmp_path / "log.csv"
    rows = [
        {"loss": 1.0},
        {"loss": 0.5, "val_loss": 0.75},
        {"loss": 0.25, "val_loss": 0.125},
    ]
    logger = begin(keras.callbacks.CSVLogger(path, append=True), model())
    for epoch in (0, 1):
        logger.on_epoch_end(epoch, rows[epoch])
    states, arrays = remembered.state_of([logger], [{}])
    logger.on_train_end()
    with path.open("a") as file:
        file.write("of an epoch that no checkpoint knows\n")
    logger = keras.callbacks.CSVLogger(path, append=True)
    remembered.restore_files([logger], states)
    begin(logger, model())
    remembered.restore([logger], states, arrays)
    logger.on_epoch_end(2, rows[2])
    logger.on_train_end()
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["loss"] for row in found] == ["1.0", "0.5", "0.25"]
    assert [row["val_loss"] for row in found] == ["NA", "0.75", "0.125"]


def test_the_best_weights_come_back():
    callback = MAKE["stopping"]()
    settings = remembered.settings_of([callback])
    network = model()
    begin(callback, network)
    callback.on_epoch_end(0, {"val_loss": 1.0})
    best = network.get_weights()
    states, arrays = remembered.state_of([callback], settings)
    callback = begin(MAKE["stopping"](), model())
    remembered.restore([callback], states, arrays)
    for one, other in zip(callback.best_weights, best, strict=True):
        np.testing.assert_array_equal(one, other)
