"""Whole runs in this process: what they write, and what they remember."""

import csv
import json
import os
import re
import signal

import keras
import numpy as np
import pytest
from runs import history, weights, write_photos

import keras_senet
from keras_senet.data.images import ImageError
from keras_senet.evaluation import evaluate
from keras_senet.training import TrainConfig, checkpoints, step, train
from keras_senet.training.run_folder import Preempted, TrainingError

pytestmark = pytest.mark.usefixtures("three_blocks")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("data") / "photos", 16, 5)


def config(data, out, **fields):
    return TrainConfig(
        "se_resnet20",
        data,
        str(out),
        **{
            "image_size": 32,
            "validation_crop": 1.0,
            "batch_size": 16,
            "epochs": 3,
            "learning_rate": 0.01,
            "steps_per_call": 2,
            **fields,
        },
    )


class Stop(keras.callbacks.Callback):
    """Ends a run at a step, as an exception anywhere would."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 >= self.step:
            raise ConnectionError("pulled the plug")


def test_a_run_writes_what_it_promises(data, tmp_path):
    out = tmp_path / "run"
    trained = train(config(data, out, checkpoint_steps=2))
    assert len(trained.history["val_top1"]) == 3
    assert trained.history["loss"][2] < trained.history["loss"][0]
    model = keras.models.load_model(out / "model.keras")
    assert model.card.class_names == ["blue", "green", "red"]
    assert model.card.measured["images"] == 15
    assert model.card.measured["top1"] == trained.history["val_top1"][-1]
    result = json.loads((out / "result.json").read_text())
    assert result["config"]["model"] == "se_resnet20"
    rows = history(out)
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[1]["val_loss"]) == trained.history["val_loss"][1]
    assert (out / "curves.png").stat().st_size > 10_000
    # The saved network is as good as the run says, by the classifier's word.
    classifier = keras_senet.Classifier(str(out / "model.keras"))
    folder = data.removeprefix("folder:")
    right = sum(
        result[0][1] == name
        for name in model.card.class_names
        for result in classifier.predict(f"{folder}/val/{name}", top=1)
    )
    assert right == round(15 * model.card.measured["top1"])
    # Run again it has nothing to do, and says the same.
    again = train(config(data, out, checkpoint_steps=2))
    assert again.history == trained.history


@pytest.mark.parametrize(
    "precision",
    ["float32", pytest.param("mixed_float16", marks=pytest.mark.slow)],
)
def test_a_run_that_goes_on_ends_as_one_that_was_whole(
    data, tmp_path, caplog, monkeypatch, precision
):
    # So that the scale of the loss changes in so few steps.
    monkeypatch.setattr(step, "GOOD_STEPS", 2)
    fields = {
        "precision": precision,
        "checkpoint_steps": 2,
        "ema": 0.9,
        "schedule": "plateau",
        "patience": 1,
        "mixup": 0.2,
        "rand_augment": 5,
        "options": {"dropout": 0.2},
    }

    def callbacks(folder):
        return [
            keras.callbacks.EarlyStopping(
                patience=9, restore_best_weights=True
            ),
            keras.callbacks.CSVLogger(folder / "mine.csv", append=True),
        ]

    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(config(data, whole, **fields), callbacks(whole))
    for end in (1, 5, 8):
        with pytest.raises(ConnectionError):
            train(config(data, cut, **fields), [*callbacks(cut), Stop(end)])
    train(config(data, cut, **fields), callbacks(cut))
    # The middle of an epoch, and an end.
    assert re.findall(r"going on from step (\d+)", caplog.text) == ["4", "6"]
    assert history(cut) == history(whole)
    for one, other in zip(weights(cut), weights(whole), strict=True):
        np.testing.assert_array_equal(one, other)
    texts = [
        [
            {k: v for k, v in row.items() if k != "seconds"}
            for row in csv.DictReader((folder / "mine.csv").open())
        ]
        for folder in (whole, cut)
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 3
    # Optimizer, averages, scale, seeds: all that a run has.
    arrays, others = (
        checkpoints.read(checkpoints.find(folder / "checkpoints")[0])[0]
        for folder in (whole, cut)
    )
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], name)
    if precision == "mixed_float16":
        assert arrays["scale/00000"] != step.FIRST_SCALE


@pytest.mark.slow
def test_callbacks_see_the_weights_that_were_validated(data, tmp_path):
    """With averages these, which the trained network has in the end, too."""
    seen = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(keep.model.get_weights())
    )
    out = tmp_path / "run"
    train(config(data, out, ema=0.9, epochs=1), [keep])
    for one, other in zip(seen[-1], weights(out), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_last_epoch_of_no_step(data, tmp_path):
    """48 images are two steps of 32, and so are 1.2 times as many."""
    out = tmp_path / "run"
    train(config(data, out, batch_size=32, epochs=1.2))
    assert len(history(out)) == 1
    assert (out / "model.keras").exists()


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over(data, tmp_path, caplog):
    out = tmp_path / "run"
    with pytest.raises(ConnectionError):
        train(config(data, out, checkpoint_steps=2), [Stop(8)])
    last, before = checkpoints.find(out / "checkpoints")
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 4
    last.write_bytes(content)
    train(config(data, out, checkpoint_steps=2))
    assert f"{last.name} is damaged. It is passed over" in caplog.text
    aside = last.with_name(f"{last.name}.damaged")
    assert aside.read_bytes() == content
    assert not last.exists()
    number = checkpoints.step_of(before)
    assert f"going on from step {number} of 9" in caplog.text
    whole = tmp_path / "whole"
    train(config(data, whole, checkpoint_steps=2))
    for one, other in zip(weights(out), weights(whole), strict=True):
        np.testing.assert_array_equal(one, other)
    for path in checkpoints.find(out / "checkpoints"):
        path.write_bytes(b"")
    with pytest.raises(TrainingError, match="All checkpoints"):
        train(config(data, out, checkpoint_steps=2))


def test_a_folder_of_another_config_is_refused(data, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(ConnectionError):
        train(config(data, out), [Stop(1)])
    with pytest.raises(ValueError, match="another config") as caught:
        train(config(data, out, learning_rate=0.02, ema=0.5))
    assert "learning_rate is 0.02, was 0.01" in str(caught.value)
    assert "ema is 0.5, was 0.0" in str(caught.value)
    # What changes no result may change.
    with pytest.raises(ConnectionError):
        train(config(data, out, steps_per_call=1, threads=1), [Stop(2)])


def test_a_loss_that_is_not_finite_stops_with_its_batch(data, tmp_path):
    out = tmp_path / "run"
    fields = {"learning_rate": 1e8, "epochs": 20, "checkpoint_steps": 1}
    with pytest.raises(TrainingError, match=r"not finite|nan|inf") as caught:
        train(config(data, out, **fields))
    assert " after step " in str(caught.value)
    assert "photos/train/" in str(caught.value)
    named = (out / "not_finite.txt").read_text().splitlines()
    assert len(named) == 1 + 16
    arrays, _ = checkpoints.read(checkpoints.find(out / "checkpoints")[0])
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_callbacks_are_driven_as_fit_drives_them(data, tmp_path):
    calls = []

    class Record(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            calls.append("train")

        def on_epoch_begin(self, epoch, logs=None):
            calls.append(f"epoch {epoch}")

        def on_train_batch_end(self, batch, logs=None):
            calls.append(f"step {batch}")
            assert {"loss", "top1", "top5", "learning_rate"} <= logs.keys()

        def on_test_end(self, logs=None):
            calls.append("test")

        def on_epoch_end(self, epoch, logs=None):
            calls.append("end")
            assert "val_loss" in logs

        def on_train_end(self, logs=None):
            calls.append("done")

    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    saved = tmp_path / "best.keras"
    train(
        config(data, tmp_path / "run"),
        [
            Record(),
            Enough(),
            keras.callbacks.ModelCheckpoint(
                saved, "val_top1", mode="max", save_best_only=True
            ),
        ],
    )
    steps = ["step 1", "step 2", "test", "end"]
    more = ["epoch 1", "step 4", "step 5", "test", "end", "done"]
    assert calls == ["train", "epoch 0", *steps, *more]
    assert keras.models.load_model(saved).card.class_names
    # A run that was stopped early is finished.
    again = train(config(data, tmp_path / "run"))
    assert len(again.history["loss"]) == 2


class Terminate(keras.callbacks.Callback):
    """What a scheduler does while a step is computed."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


class Signal(keras.callbacks.Callback):
    """What a scheduler does after a call's exchange; counts validations."""

    def __init__(self, batch=None):
        super().__init__()
        self.batch, self.validations = batch, 0

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_test_begin(self, logs=None):
        self.validations += 1
        if self.batch is None:
            os.kill(os.getpid(), signal.SIGTERM)


CALLS = {"epochs": 2, "steps_per_call": 1, "checkpoint_steps": 100}


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    """The folder of a run that had no signal."""
    out = tmp_path_factory.mktemp("uninterrupted")
    train(config(data, out, **CALLS))
    return out


@pytest.mark.parametrize(
    ("batch", "saved", "validations"), [(0, 1, 0), (2, 3, 0), (None, 3, 1)]
)
def test_a_signal_is_acted_on_before_more_is_computed(
    data, tmp_path, uninterrupted, batch, saved, validations
):
    """Within an epoch, at its end, and while it is validated."""
    out, sent = tmp_path / "run", Signal(batch)
    with pytest.raises(Preempted, match=f"at step {saved} of 6"):
        train(config(data, out, **CALLS), [sent])
    assert sent.validations == validations
    last = checkpoints.find(out / "checkpoints")[0]
    assert checkpoints.step_of(last) == saved
    train(config(data, out, **CALLS))
    assert history(out) == history(uninterrupted)
    for one, other in zip(weights(out), weights(uninterrupted), strict=True):
        np.testing.assert_array_equal(one, other)


# The highest rates of the three epochs, by a callback that writes them into the
# logs: one for every epoch, or half after one without an improvement.
RATES = {
    "scheduler": lambda: keras.callbacks.LearningRateScheduler(
        lambda epoch: [0.01, 0.02, 0.04][epoch]
    ),
    "plateau": lambda: keras.callbacks.ReduceLROnPlateau(
        factor=0.5, patience=1, min_delta=99
    ),
}
HIGHEST = {"scheduler": [0.01, 0.02, 0.04], "plateau": [0.01, 0.01, 0.005]}


@pytest.mark.slow
@pytest.mark.parametrize("name", RATES)
def test_the_rate_in_the_logs_is_that_of_the_last_step(data, tmp_path, name):
    """Of three steps an epoch; warm-up rises through the first six."""
    settings = config(
        data, tmp_path / "run", warmup_epochs=2, schedule="constant"
    )
    mine = tmp_path / "mine.csv"
    trained = train(settings, [RATES[name](), keras.callbacks.CSVLogger(mine)])
    rates = np.multiply(HIGHEST[name], [3 / 7, 6 / 7, 1])
    with mine.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for found in (
        trained.history["learning_rate"],
        [float(row["learning_rate"]) for row in rows],
        [float(row["learning_rate"]) for row in history(tmp_path / "run")],
    ):
        assert found == pytest.approx(rates, rel=1e-6)


def test_a_callback_that_brings_back_weights_is_refused(data, tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(ValueError, match="goes on by itself"):
        train(config(data, tmp_path / "run"), [backup])
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_signal_in_the_last_step_loses_no_epoch(data, tmp_path):
    fields = {"epochs": 2, "steps_per_call": 1, "schedule": "constant"}
    with pytest.raises(Preempted, match="at step 6 of 6"):
        train(config(data, tmp_path / "run", **fields), [Terminate(5)])
    train(config(data, tmp_path / "run", **fields))
    train(config(data, tmp_path / "whole", **fields))
    assert history(tmp_path / "run") == history(tmp_path / "whole")
    assert len(history(tmp_path / "run")) == 2


@pytest.mark.slow
def test_what_is_said_is_true_of_the_weights_that_are_saved(data, tmp_path):
    """The best epoch's, brought back after a last one without validation."""

    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

    settings = config(
        data,
        tmp_path / "run",
        epochs=9,
        validate_every=2,
        learning_rate=0.3,
        schedule="constant",
    )
    best = keras.callbacks.EarlyStopping(
        "loss", patience=99, restore_best_weights=True
    )
    with pytest.raises(ConnectionError):
        train(settings, [best, Stop(5)])
    best = keras.callbacks.EarlyStopping(
        "loss", patience=99, restore_best_weights=True
    )
    # Another callback before it does not take its memory.
    trained = train(
        settings, [keras.callbacks.TerminateOnNaN(), best, Enough()]
    )
    path = str(tmp_path / "run" / "model.keras")
    result = evaluate(path, data, crop=1.0)
    assert trained.model.card.measured["top1"] == result.top1
    for one, other in zip(
        weights(tmp_path / "run"), best.best_weights, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    rows = history(tmp_path / "run")
    assert [bool(row["val_top1"]) for row in rows] == [False, True, False]
    assert rows[1].keys() >= {"loss", "top1", "val_loss"}


@pytest.mark.slow
def test_data_without_validation_sets_a_part_aside(data, tmp_path):
    folder = f"{data}/train"
    with pytest.raises(ValueError, match="--hold-out"):
        train(config(folder, tmp_path / "run"))
    trained = train(config(folder, tmp_path / "run", hold_out=0.25, epochs=1))
    assert trained.model.card.measured["images"] == 12


def test_damaged_images_stop_it_or_are_left_out(tmp_path):
    data = write_photos(tmp_path / "photos", 8, 2)
    damaged = tmp_path / "photos/train/red/003.jpg"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(ImageError, match=r"red/003\.jpg"):
        train(config(data, tmp_path / "run", epochs=1))
    out = tmp_path / "other"
    train(config(data, out, epochs=1, max_unreadable=1))
    record = json.loads((out / "unreadable.json").read_text())
    assert record[0]["names"] == [str(damaged)]


@pytest.mark.slow
def test_a_first_image_that_is_not_there_is_as_any_other(tmp_path):
    data = write_photos(tmp_path / "photos", 8, 2)
    gone = tmp_path / "photos/train/blue/000.jpg"
    gone.unlink()
    gone.symlink_to("nowhere.jpg")
    with pytest.raises(ImageError, match=r"blue/000\.jpg"):
        train(config(data, tmp_path / "run", epochs=1))
    trained = train(
        config(data, tmp_path / "other", epochs=1, max_unreadable=1)
    )
    assert trained.model.input_shape == (None, 32, 32, 3)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"out": ""}, ["--out"]),
        ({"batch_size": 15, "accumulation": 2}, ["multiple of 2"]),
        ({"options": {"classes": 3}}, ["'classes'", "Leave it out"]),
        ({"batch_size": 64}, ["64", "48 training images"]),
        ({"strategy": "workers"}, ["TF_CONFIG", "launch_local"]),
        ({"strategy": "many"}, ["'many'", "'mirrored'"]),
    ],
)
def test_what_does_not_fit_is_said_before(data, tmp_path, fields, words):
    settings = config(data, **{"out": tmp_path / "run", **fields})
    with pytest.raises(ValueError) as caught:
        train(settings)
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_file_that_goes_is_named(tmp_path):
    data = write_photos(tmp_path / "photos", 8, 2)
    gone = tmp_path / "photos/train/red/003.jpg"

    class Remove(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            gone.unlink()

    with pytest.raises(TrainingError, match=r"red/003\.jpg"):
        train(config(data, tmp_path / "run"), [Remove()])


@pytest.mark.slow
def test_a_config_may_be_mended_before_anything_is_trained(data, tmp_path):
    wrong = config(data, tmp_path / "run", options={"reduction": -1})
    with pytest.raises(ValueError, match="reduction"):
        train(wrong)
    train(config(data, tmp_path / "run", epochs=1))


def test_other_classes_for_validation_are_named(tmp_path):
    data = write_photos(tmp_path / "photos", 2, 2)
    (tmp_path / "photos/val/red").rename(tmp_path / "photos/val/rouge")
    with pytest.raises(ValueError, match="red, rouge"):
        train(config(data, tmp_path / "run"))
