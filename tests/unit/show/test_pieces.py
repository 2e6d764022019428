import numpy as np
import pytest
import torch

from mmlearn.data import world
from mmlearn.show.canvas import Box, canvas
from mmlearn.show.figures import drawn
from mmlearn.show.pieces import (
    as_rgb,
    draw_pixels,
    draw_tokens,
    draw_wave,
    spectrogram_limits,
    whole_pixels,
    width_of,
    wrapped,
    write_many,
)


def ink(axes_figure):
    """Where a canvas is dark: (H, W) bool, two dots a CSS pixel."""
    return drawn(axes_figure).astype(int).sum(-1) < 300


def test_few_colours_look_like_all_of_them():
    image = world.sample(6, seed=0).image
    shown = as_rgb(image)
    assert shown.shape == (6, 64, 64, 3)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) <= 96
    assert np.abs(shown - image.permute(0, 2, 3, 1).numpy()).mean() < 0.015


@pytest.mark.parametrize("width", [40, 90, 200])
def test_wrapped_lines_hold_every_word_and_keep_to_the_width(width):
    text = "there are three objects: a small blue square and two large purple diamonds"
    lines = wrapped(text, width, 12)
    assert " ".join(lines) == text
    assert all(width_of(line, 12) <= width or " " not in line for line in lines)


@pytest.mark.parametrize("align", ["left", "center", "right"])
def test_words_stand_where_they_are_put(align):
    fig, axes = canvas(200, 60)
    write_many(axes, [(100, 30, "HHHH", align)], 20, "black")
    rows, columns = np.nonzero(ink(fig))
    assert (rows.min() + rows.max()) / 4 == pytest.approx(30, abs=1.5)
    edge = {"left": columns.min(), "center": (columns.min() + columns.max()) / 2, "right": columns.max()}[align]
    assert edge / 2 == pytest.approx(100, abs=2.5)
    assert (columns.max() - columns.min()) / 2 == pytest.approx(width_of("HHHH", 20), abs=6)  # less the room beside the letters


def test_tokens_stay_inside_their_box_however_many_there_are():
    words = ["purple"] * 50
    fig, axes = canvas(340, 200)
    size = draw_tokens(axes, words, range(50), Box(10, 10, 330, 190))
    rows, columns = np.nonzero(ink(fig))
    assert size < 13
    assert columns.max() / 2 <= 331
    assert rows.max() / 2 <= 191


def test_a_wave_is_as_high_as_its_loudest_sample():
    fig, axes = canvas(100, 100)
    samples = np.zeros(1000)
    samples[480:520] = 1.0
    draw_wave(axes, samples, Box(0, 0, 100, 100), 2.0, colour="black")
    rows, columns = np.nonzero(ink(fig))
    assert rows.min() / 2 == pytest.approx(25, abs=1.5)  # half of the limit, half of the half
    assert columns[rows.argmin()] / 2 == pytest.approx(50, abs=2)


@pytest.mark.parametrize("resolution", [16, 24, 64, 100, 200])
def test_whole_pixels_all_take_equally_many_dots(resolution):
    side = whole_pixels(160, resolution)
    assert 0.85 * 160 <= side <= 160
    if side != 160:
        assert 2 * side % resolution == 0


def test_enlarged_pixels_stay_squares_of_their_own_colour():
    fig, axes = canvas(60, 60)
    rgb = np.random.default_rng(0).random((6, 6, 3))
    draw_pixels(axes, rgb, 0, 0, 60)
    shown = drawn(fig).reshape(6, 20, 6, 20, 3)
    assert (shown == shown[:, :1, :, :1]).all()
    assert np.abs(shown[:, 0, :, 0] / 255 - rgb).max() < 0.01


def test_a_spectrogram_tells_sixty_decibels_apart():
    assert spectrogram_limits(torch.tensor([-10.0, -2.0, 1.0]).numpy()) == (-5.0, 1.0)
    assert spectrogram_limits(torch.tensor([-2.0, 1.0]).numpy()) == (-2.0, 1.0)
    low, high = spectrogram_limits(torch.full((3,), -10.0).numpy())
    assert low < high
