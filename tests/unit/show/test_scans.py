import html
import math
import re

import numpy as np
import pytest
import torch

from mmlearn import show
from mmlearn.data import world
from mmlearn.data.world.scan import Scan
from mmlearn.show.scans import describe, stretches


@pytest.fixture(scope="module")
def scenes():
    return world.sample(5, seed=1, objects=3)


def alt_of(bundle):
    return html.unescape(re.search(r'alt="([^"]*)"', bundle["text/html"])[1])


@pytest.mark.parametrize("rays", [1, 7, 64, 200])
def test_scans_with_any_number_of_rays_are_shown_with_and_without_a_picture(rays, scenes, published):
    scan = scenes.scan(rays)
    show.scan(scan, scenes.image[2], 2)
    show.scan(scan, n=-1, title="the last")
    assert len(published) == 2


def test_the_text_alternative_counts_the_hits_and_says_how_near_they_are(scenes, published):
    scan = scenes.scan()
    show.scan(scan, n=1)
    alt, distance = alt_of(published[0]), scan.distance[1]
    assert f"{len(distance)} rays" in alt
    assert f"{int(distance.isfinite().sum())} hit something" in alt
    nearest = min(float(value) for value in re.findall(r"near as ([\d.]+) image", alt))
    assert nearest == pytest.approx(float(distance.min()), abs=0.006)


def test_neighbouring_objects_are_told_apart():
    angle = np.radians([150.0, 120.0, 90.0, 60.0])
    text = describe(np.array([0.5, 0.4, 0.3, math.inf]), angle, np.array([1, 1, 0, -1]))
    assert "at 150° to 120° something as near as 0.40 image widths; at 90° something as near as 0.30 image widths." in text


def test_where_nothing_is_in_the_way_the_text_says_so(published):
    some = world.sample(20, seed=0, objects=(0, 1))
    empty = some[some.count == 0][:1]
    show.scan(empty.scan(), empty.image[0])
    assert "0 hit something. Nothing is in its way." in alt_of(published[0])


@pytest.mark.parametrize("hit", [[-1], [0], [0, 0, 1, -1, 1, -1, -1], [-1, 3, 3, 2]])
def test_stretches_cover_each_hit_once(hit):
    hit = np.array(hit, dtype=int)
    covered = [place for start, end in stretches(hit) for place in range(start, end)]
    assert covered == [int(place) for place in np.flatnonzero(hit >= 0)]
    assert all(len(set(hit[start:end])) == 1 for start, end in stretches(hit))


def test_the_rays_end_where_the_objects_begin(scenes):
    from mmlearn.show.canvas import Box, canvas
    from mmlearn.show.pieces import draw_fan

    scan = scenes.scan()
    _, axes = canvas(100, 100)
    ends = draw_fan(axes, scan.distance[0].numpy().astype(float), scan.angle.numpy().astype(float), Box(0, 0, 100, 100))
    x, y = scan.points()
    found = scan.hit[0] >= 0
    np.testing.assert_allclose(ends[found] / 100, torch.stack([x, y], -1)[0][found], atol=1e-5)
    assert np.abs(ends[~found] / 100 - 0.5).max(1) == pytest.approx(0.5)  # the others, at the picture's edge


def test_nan_in_a_scan_is_named(scenes):
    scan = scenes.scan(8)
    broken = Scan(scan.distance.clone().fill_(math.nan), scan.hit, scan.angle)
    with pytest.raises(ValueError, match="scene 0 holds 8 NaN"):
        show.scan(broken)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 5}, "0 to 4; got 5"),
        ({"n": "0"}, "got '0'"),
        ({"scene_image": torch.rand(64, 64)}, "3, H, W"),
        ({"scene_image": torch.rand(64, 64, 3)}, r"\(64, 64, 3\)"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message, scenes):
    with pytest.raises(ValueError, match=message):
        show.scan(scenes.scan(), **arguments)


def test_a_tensor_is_no_scan():
    with pytest.raises(ValueError, match=r"scenes.scan\(\) gives it; got Tensor"):
        show.scan(torch.rand(2, 64))
