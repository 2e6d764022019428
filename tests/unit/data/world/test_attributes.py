from itertools import combinations

import numpy as np
import pytest

from mmlearn.data.world import COLOURS, SAFE_COLOURS, SHAPES, SIZES
from mmlearn.data.world.attributes import numbers_of
from mmlearn.data.world.background import CONTRAST, LEVELS

# What linear RGB looks like to an eye without one kind of cone: Machado, Oliveira & Fernandes (2009), severity 1.0.
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "none": np.eye(3),
}
GREYS = np.repeat(np.linspace(LEVELS[0] - CONTRAST, LEVELS[1] + CONTRAST, 9)[:, None], 3, axis=1)  # every background


def lab(colours, blindness):
    """CIELAB of sRGB colours (M, 3) as an eye with this blindness sees them."""
    from skimage.color import rgb2lab

    colours = np.asarray(colours, dtype=float)
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    linear = (linear @ np.array(BLINDNESS[blindness]).T).clip(0, 1)
    seen = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(seen[None])[0]


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_safe_colours_look_different_to_every_eye_from_each_other_and_from_the_background(blindness):
    seen = lab([COLOURS[name] for name in SAFE_COLOURS], blindness)
    for one, other in combinations(range(len(seen)), 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 20, (SAFE_COLOURS[one], SAFE_COLOURS[other])
    away = np.linalg.norm(seen[:, None] - lab(GREYS, blindness)[None], axis=-1)
    assert away.min() > 20


def test_all_colours_look_different_to_an_eye_with_three_kinds_of_cones():
    seen = lab(list(COLOURS.values()), "none")
    for one, other in combinations(range(len(seen)), 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 35
    assert np.linalg.norm(seen[:, None] - lab(GREYS, "none")[None], axis=-1).min() > 35


def test_not_all_colours_are_safe():
    """Otherwise the simulation would show nothing: red and green are confused without the green cones."""
    red, green = lab([COLOURS["red"], COLOURS["green"]], "deuteranopia")
    assert np.linalg.norm(red - green) < 20


@pytest.mark.parametrize("name", COLOURS)
def test_each_colour_is_nearest_to_the_web_colour_of_its_name(name):
    from matplotlib.colors import to_rgb

    web = {known: to_rgb(known) for known in COLOURS}
    distance = np.linalg.norm(lab(list(web.values()), "none") - lab([COLOURS[name]], "none"), axis=-1)
    assert list(web)[distance.argmin()] == name


def test_a_small_object_is_never_as_large_as_a_large_one():
    from mmlearn.data.world.sampling import RADIUS_VARIES

    assert SIZES["small"] * (1 + RADIUS_VARIES) < SIZES["large"] * (1 - RADIUS_VARIES)


def test_names_become_numbers_in_the_order_of_the_world():
    assert numbers_of(["star", "circle", "star"], SHAPES, "shape") == (0, 5)
    assert numbers_of("square", SHAPES, "shape") == (1,)
    assert numbers_of(None, SIZES, "size") == (0, 1)


@pytest.mark.parametrize(
    ("names", "says"),
    [(["cirkle"], "no shape 'cirkle': did you mean circle"), (["circle", 3], "no shape 3"), ([], "name at least one shape")],
)
def test_unknown_names_get_the_nearest_known_ones(names, says):
    with pytest.raises(ValueError, match=says):
        numbers_of(names, SHAPES, "shape")
