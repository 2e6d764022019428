import html
import re

import pytest
import torch

from mmlearn import show
from mmlearn.data import world


@pytest.fixture(scope="module")
def scenes():
    return world.sample(4, seed=5, objects=(1, 4))


def alt_of(bundle):
    return html.unescape(re.search(r'alt="([^"]*)"', bundle["text/html"])[1])


@pytest.mark.parametrize("frames", [2, 3, 5, 8, 13])
@pytest.mark.parametrize("trails", [True, False])
def test_clips_of_any_length_are_shown_no_wider_than_asked(frames, trails, scenes, published, pixels):
    show.clip(scenes.clip(frames), 1, trails=trails)
    assert pixels(published[0]["text/html"]).shape[1] <= 2 * 700


def test_the_text_alternative_holds_the_sentence_and_both_ends_of_each_path(scenes, published):
    clip = scenes.clip(6)
    for n in range(len(clip)):
        show.clip(clip, n)
        alt = alt_of(published[-1])
        assert alt.startswith(f"A film strip of 6 frames: {clip.captions[n]}.")
        moving = clip.velocity[n].any(-1).nonzero().flatten().tolist()
        assert alt.count("One centre goes") == len(moving)
        for slot in moving:
            x, y = clip.x[n, :, slot], clip.y[n, :, slot]
            ends = re.findall(r"\(([\d.]+), ([\d.]+)\) to \(([\d.]+), ([\d.]+)\)", alt)
            expected = torch.tensor([x[0], y[0], x[-1], y[-1]])
            assert any((torch.tensor([float(value) for value in end]) - expected).abs().max() < 0.006 for end in ends)


def test_a_scene_without_objects_has_a_clip_in_which_nothing_moves(published):
    some = world.sample(20, seed=0, objects=(0, 1))
    show.clip(some[some.count == 0].clip())
    assert alt_of(published[0]) == "A film strip of 8 frames: there is nothing."


def test_trails_are_drawn_over_what_moves(scenes, published, pixels):
    clip = scenes.clip(8)
    moving = next(n for n in range(len(clip)) if clip.velocity[n].any())
    show.clip(clip, moving, trails=True)
    show.clip(clip, moving, trails=False)
    with_trails, without = (pixels(bundle["text/html"]).astype(int) for bundle in published)
    assert (abs(with_trails - without).max(-1) > 60).any()


@pytest.mark.parametrize("n", [4, -5, 1.0, True])
def test_a_clip_that_is_not_there_is_named(n, scenes):
    with pytest.raises(ValueError, match="n must be one of the 4 clips"):
        show.clip(scenes.clip(2), n)


def test_frames_alone_are_no_clip(scenes):
    with pytest.raises(ValueError, match=r"scenes.clip\(\) gives it; got Tensor"):
        show.clip(scenes.clip(2).frames)
