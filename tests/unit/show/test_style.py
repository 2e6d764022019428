import itertools

import matplotlib
import numpy as np
import pytest

from mmlearn import show
from mmlearn.show.style import CARD, INK, MUTED, contrast, in_style, luminance, text_on

# Simulated dichromacy at full severity: Machado, Oliveira & Fernandes 2009, in linear RGB.
DICHROMACY = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(colour, vision):
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(DICHROMACY[vision]) @ linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("colour", [*show.COLOURS, INK, MUTED])
def test_every_text_colour_reads_on_the_card(colour):
    assert contrast(colour, CARD) >= 4.5


@pytest.mark.parametrize("vision", DICHROMACY)
def test_no_two_categories_look_alike_with_any_colour_vision(vision):
    from skimage.color import deltaE_ciede2000, rgb2lab

    lab = [rgb2lab(seen(colour, vision)) for colour in show.COLOURS]
    assert min(deltaE_ciede2000(one, other) for one, other in itertools.combinations(lab, 2)) > 12


def test_the_signed_map_is_white_at_zero_and_equally_dark_at_equal_magnitude():
    from skimage.color import rgb2lab

    lightness = rgb2lab(show.SIGNED(np.linspace(0, 1, 255))[:, :3])[:, 0]
    assert lightness[127] > 97
    assert np.abs(lightness - lightness[::-1]).max() < 3
    assert (np.diff(lightness[:128]) > 0).all()
    assert (np.diff(lightness[127:]) < 0).all()


def test_numbers_in_cells_read_on_every_colour_of_the_signed_map():
    ground = show.SIGNED(np.linspace(0, 1, 255))[:, :3]
    ink = np.where(text_on(ground), luminance("white"), luminance("black"))
    light, dark = np.maximum(luminance(ground), ink), np.minimum(luminance(ground), ink)
    assert ((light + 0.05) / (dark + 0.05)).min() >= 4.5


def test_set_style_changes_the_session_and_in_style_does_not():
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        with in_style():
            assert matplotlib.rcParams["figure.facecolor"] == CARD
        assert matplotlib.rcParams["figure.facecolor"] == "white"
        show.set_style()
        show.set_style()
        assert matplotlib.rcParams["figure.facecolor"] == CARD


def test_the_tour_names_every_public_function():
    for name in show.__all__:
        assert f"show.{name}" in show.__doc__
        assert getattr(show, name) is not None
