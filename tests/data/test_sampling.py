"""Which images make up a step, counted."""

import collections

import numpy as np
import pytest

from keras_senet.data.sampling import Sampler, hold_out

LABELS = np.array([0] * 10 + [1] * 3 + [2] * 4)


def test_every_epoch_has_every_image_once():
    sampler = Sampler(LABELS, seed=1)
    epochs = [sampler.numbers(17 * k, 17 * (k + 1)) for k in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(17))
    assert (epochs[0] != epochs[1]).any()
    assert (epochs[0] != Sampler(LABELS, seed=2).numbers(0, 17)).any()


@pytest.mark.parametrize("balanced", [False, True])
def test_any_part_is_that_of_the_whole(balanced):
    """So that batches, workers and interruptions change nothing."""
    whole = Sampler(LABELS, 1, balanced).numbers(0, 200)
    parts = [
        Sampler(LABELS, 1, balanced).numbers(start, start + 7)
        for start in range(0, 196, 7)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole[:196])


def test_balanced_every_class_comes_equally_often():
    numbers = Sampler(LABELS, 1, balanced=True).numbers(0, 3 * 20)
    turns = LABELS[numbers].reshape(20, 3)
    assert (np.sort(turns, axis=1) == [0, 1, 2]).all()
    assert len({tuple(turn) for turn in turns}) > 3
    for label in range(3):
        members = set(np.flatnonzero(np.equal(LABELS, label)))
        used = [n for n in numbers if LABELS[n] == label]
        # Each image of a class is used before one repeats.
        for start in range(0, 20 - len(members), len(members)):
            part = used[start : start + len(members)]
            assert sorted(part) == sorted(members)
    counts = collections.Counter(numbers)
    assert max(counts[n] for n in range(10)) == 2


def test_draws_belong_to_places():
    sampler = Sampler(LABELS, 1)
    crops, seeds = sampler.draws(32, 48)
    assert crops.shape[:2] == (16, 4)
    assert seeds.shape == (16, 2)
    assert 0 <= crops.min() < 0.1 < 0.9 < crops.max() < 1
    np.testing.assert_array_equal(sampler.draws(32, 48)[0], crops)
    assert (sampler.draws(48, 64)[0] != crops).any()


def test_held_out_is_a_part_of_every_class():
    labels = np.repeat(np.arange(4), (50, 20, 5, 2))
    stay, held = hold_out(labels, 0.2)
    assert sorted([*stay, *held]) == list(range(77))
    assert np.bincount(labels[held]).tolist() == [10, 4, 1, 1]
    again = hold_out(labels, 0.2)[1]
    np.testing.assert_array_equal(again, held)
    assert (hold_out(labels, 0.2, seed=1)[1] != held).any()


def test_one_image_can_not_be_split():
    with pytest.raises(ValueError, match="Class 1 has one image"):
        hold_out(np.array([0, 0, 1]), 0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        hold_out(np.array([0, 0]), 1.0)
