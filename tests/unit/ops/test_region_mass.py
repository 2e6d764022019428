import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.region_mass import region_mass


def test_by_hand():
    found = region_mass(torch.tensor([0.5, 0.25, 0.25, 0.0]), torch.tensor([0.0, 1.0, 0.5, 0.0]))
    assert (found.mass.item(), found.area.item(), found.most.item()) == (0.375, 0.375, 1.0)


@given(seed=st.integers(0, 10_000), patches=st.integers(1, 12))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_an_even_look_has_the_area_and_no_look_more_than_the_most(seed, patches):
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(3, patches, generator=generator, dtype=torch.float64)
    weights = torch.randn(5, 3, patches, generator=generator, dtype=torch.float64).mul(4).softmax(-1)
    found = region_mass(weights, share)
    assert found.mass.shape == found.area.shape == found.most.shape == (5, 3)
    assert (found.mass <= found.most + 1e-12).all()
    assert (found.mass >= share.amin(-1) - 1e-12).all()
    even = region_mass(torch.full((patches,), 1 / patches, dtype=torch.float64), share)
    torch.testing.assert_close(even.mass, even.area)
    best = torch.nn.functional.one_hot(share.argmax(-1), patches).double()
    torch.testing.assert_close(region_mass(best, share).mass, found.most[0])


def test_the_area_is_that_of_the_mask():
    from mmlearn.data import world

    scenes = world.sample(5, seed=0, size=24, objects=2)
    share = torch.nn.functional.adaptive_avg_pool2d(scenes.mask.float(), 6).flatten(2)  # (N, K, 36)
    found = region_mass(torch.full((36,), 1 / 36), share)
    torch.testing.assert_close(found.mass, scenes.mask.float().mean((2, 3)))
    torch.testing.assert_close(found.area, found.mass)


@pytest.mark.parametrize(
    ("weights", "share", "words"),
    [
        (torch.ones(4), torch.ones(3), r"share: expected \(…, 4\), as weights is \(4,\); got shape \(3,\)"),
        (torch.ones(4), 2 * torch.ones(4), "share: expected shares from 0 to 1"),
        (-torch.ones(4), torch.ones(4), "weights: expected weights ≥ 0; got -1"),
        (torch.ones(4), torch.ones(4, dtype=torch.bool), "share: expected floating-point"),
    ],
)
def test_what_does_not_fit_is_refused(weights, share, words):
    with pytest.raises(ValueError, match=words):
        region_mass(weights, share)
