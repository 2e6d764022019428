"""The figure of chapter 11: what it shows is what the model encodes and decodes, and the nearest codes are the nearest."""

import html
import re

import pytest
import torch
from torch import nn

from mmlearn.show import explore_code_plane
from mmlearn.show.explore_code_plane import CODES, DECODED, FREE, code_plane


class Corners(nn.Module):
    """The code of a 2×2 picture: the means of its columns; decoded, each column has its mean."""

    def encode(self, images):
        return images.mean((1, 2))  # (N, 2)

    def decode(self, z):
        return z[:, None, None, :].expand(-1, 1, 2, -1)


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(0)
    bright = torch.tensor([[0.1, 0.1], [0.1, 0.8], [0.9, 0.2]])
    labels = torch.arange(60) % 3
    images = bright[labels][:, None, None, :] + 0.05 * torch.rand(60, 1, 2, 2, generator=generator)
    return images, labels


@pytest.fixture
def figure(published, pictures):
    return code_plane(Corners(), *pictures)


def test_it_shows_what_is_decoded_at_the_place_of_the_sliders(figure):
    figure.set(first=0.3, second=0.5)
    first, second = figure.value["first"], figure.value["second"]
    assert figure.state["place"].tolist() == [first, second]
    torch.testing.assert_close(figure.state["decoded"], torch.tensor([[[first, second], [first, second]]]))
    assert figure.state["gap"] < 1e-6  # this model encodes what it decodes exactly


def test_the_nearest_codes_are_the_nearest(figure, pictures):
    images, labels = pictures
    figure.set(first=0.3, second=0.5)
    distances = (Corners().encode(images) - figure.state["place"].float()).norm(dim=1)
    assert figure.state["nearest"] == distances.argmin().item()
    assert figure.state["distance"] == pytest.approx(distances.min().item(), rel=1e-5)
    near = labels[distances.argsort()[:10]].tolist()
    assert figure.state["votes"] == {label: near.count(label) for label in near}


def test_it_starts_between_the_two_classes_that_are_nearest_to_each_other(figure, pictures):
    codes, labels = Corners().encode(pictures[0]), pictures[1]
    middles = [codes[labels == label].median(0).values for label in range(3)]
    nearest = min(((a - b).norm().item(), (a + b) / 2) for n, a in enumerate(middles) for b in middles[:n])[1]
    torch.testing.assert_close(figure.state["place"].float(), nearest, atol=0.02, rtol=0)


def test_the_menu_goes_to_the_middle_of_a_class_and_a_slider_leaves_it(figure):
    figure.set(to="middle of 2")
    assert figure.state["place"].tolist() == pytest.approx([0.925, 0.225], abs=0.02)
    assert set(figure.state["votes"]) == {2}
    figure.set(second=0.5)
    assert figure.value["to"] == FREE


def test_the_lattice_shows_each_places_decoded_picture_the_second_number_growing_upwards(figure):
    assert figure.state["plane"].tiles is None
    figure.set(shown=DECODED)
    tiles = figure.state["plane"].tiles
    ink = 1 - tiles.mean(2)  # dark where the picture is bright
    side = len(tiles) // 15
    pixel = ink.reshape(15, side, 15, side)[:, 1, :, 1:-1]  # row of tiles, column of tiles, the two columns of each picture
    assert (pixel[:, 1:, 0] > pixel[:, :-1, 0]).all()
    assert (pixel[:-1, :, 1] > pixel[1:, :, 1]).all()
    assert "decoded pictures of a lattice" in html.unescape(figure.html)
    figure.set(shown=CODES)
    assert "lattice" not in html.unescape(figure.html)


def test_the_text_says_where_no_picture_lies_and_where_classes_meet(figure):
    figure.set(first=figure.widgets["first"].max, second=figure.widgets["second"].max)
    assert "No picture of these lies near" in html.unescape(figure.html)
    figure.set(to="middle of 1")
    words = html.unescape(figure.html)
    assert "No picture of these lies near" not in words
    assert "Several classes meet" not in words


def test_the_text_alternative_holds_the_numbers(figure):
    figure.set(to="middle of 0")
    alt = html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])
    assert "the codes of 60 pictures" in alt
    assert "the 10 nearest are 10 of label 0" in alt


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


def test_colour_pictures_are_drawn_too(published):
    class Mean(Corners):
        def encode(self, images):
            return images.mean((2, 3))[:, :2]

        def decode(self, z):
            return torch.cat([z, z[:, :1]], dim=1)[:, :, None, None].expand(-1, -1, 4, 4)

    figure = code_plane(Mean(), torch.rand(20, 3, 4, 4), torch.zeros(20, dtype=torch.int64))
    figure.set(shown=DECODED)
    assert figure.state["decoded"].shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"at": (1.0, 2.0, 3.0)}, "at must be two numbers"),
        ({"labels": torch.zeros(3)}, "got 3 labels for 60 images"),
    ],
)
def test_what_does_not_fit_is_refused(published, pictures, options, says):
    arguments = {"images": pictures[0], "labels": pictures[1], **options}
    with pytest.raises(ValueError, match=says):
        code_plane(Corners(), **arguments)


def test_a_code_of_three_numbers_is_refused(published, pictures):
    class Three(Corners):
        def encode(self, images):
            return images.flatten(1)[:, :3]

    with pytest.raises(ValueError, match=r"a code of 2 numbers.*\(60, 3\)"):
        code_plane(Three(), *pictures)


def test_a_label_is_kept_off_the_frame_and_otherwise_stays_at_its_code():
    frame, edge = explore_code_plane._PLANE, explore_code_plane._EDGE
    assert explore_code_plane._off_the_frame(*frame.middle) == tuple(frame.middle)
    assert explore_code_plane._off_the_frame(frame.left, frame.bottom) == (frame.left + edge, frame.bottom - edge)
    assert explore_code_plane._off_the_frame(frame.right, frame.top) == (frame.right - edge, frame.top + edge)
