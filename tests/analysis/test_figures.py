"""Pictures of gates can be compared, and hide nothing."""

import numpy as np
import pytest

from keras_senet.analysis import (
    Excitations,
    figures,
    plot_depth,
    plot_excitations,
    plot_spread,
)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would be saved."""
    found = []
    monkeypatch.setattr(
        figures, "save", lambda figure, out: found.append(figure)
    )
    return found


def made_up(low, high):
    """Gates of two blocks, one of which is nearly the same everywhere."""
    means = {
        "conv2_block1_se": np.full((2, 8), 0.5),
        "conv3_block1_se": np.linspace(low, high, 16).reshape(2, 8),
    }
    return Excitations(
        network="made up",
        images=np.array([1, 1]),
        mean=means,
        std={name: np.zeros((2, 8)) for name in means},
        closed={name: np.zeros(8) for name in means},
        open={name: np.zeros(8) for name in means},
    )


@pytest.mark.parametrize("plot", [plot_excitations, plot_spread])
@pytest.mark.parametrize(
    ("gates", "limits"),
    [((0.4, 0.6), (0, 1)), ((-0.5, 0.9), (-0.5, 1)), ((0.2, 3), (0, 3))],
)
def test_all_blocks_have_one_axis(plot, gates, limits, drawn):
    """That of a sigmoid, or of what tanh and ReLU give."""
    plot(made_up(*gates), "gates.png", {0: "cat", 1: "dog"})
    axes = drawn[0].axes
    assert len(axes) >= 2
    for axis in axes:
        assert axis.get_ylim() == pytest.approx(limits)


@pytest.mark.parametrize("changes", [(-0.2, -0.0005), (0, 0), (0.01, -0.9)])
def test_no_bar_touches_the_frame_or_a_legend(changes, drawn):
    roles = [
        {
            "block": f"conv{stage}_se",
            **dict.fromkeys(
                ("correlation", "class_share", "closed", "open"), 0.5
            ),
        }
        for stage in (2, 3)
    ]
    rows = [
        {"removed": role["block"], "change": change}
        for role, change in zip(roles, changes, strict=True)
    ]
    plot_depth(roles, {"gates of one": rows}, "depth.png")
    [figure] = drawn
    figure.canvas.draw()
    for axis in figure.axes:
        assert axis.get_ylabel()
        legend = axis.get_legend().get_window_extent()
        assert legend.y0 >= axis.get_window_extent().y1
    low, high = figure.axes[1].get_ylim()
    assert low < 100 * min(changes) <= 100 * max(changes) < high
