"""Chapter 07's figure: the lengths are autograd's, the bound holds at every setting, and what it says is what it shows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.show.explore_recurrence import ONE_WAY, ORTHOGONAL, RANDOM, gradient_through_time, travelled

SETTINGS = st.fixed_dictionaries(
    {
        "radius": st.sampled_from([0.3, 0.9, 1.0, 1.4, 2.0]),
        "matrix": st.sampled_from([RANDOM, ORTHOGONAL, ONE_WAY]),
        "inputs": st.sampled_from([0.01, 0.3, 3.0]),
        "steps": st.sampled_from([5, 30]),
    }
)


@pytest.fixture
def figure(published):
    return gradient_through_time()


@settings(max_examples=25, deadline=None)
@given(SETTINGS)
def test_no_gradient_is_longer_than_its_bound(setting):
    state = travelled(**setting)
    assert state["measured"].shape == (setting["steps"] + 1, 6)
    np.testing.assert_allclose(state["measured"][0], 1)
    assert (state["measured"] <= state["bound"][:, None] * (1 + 1e-9)).all()
    assert np.abs(state["eigenvalues"]).max() == pytest.approx(setting["radius"], rel=1e-6)
    assert state["norm"] >= setting["radius"] * (1 - 1e-9)


def test_the_lengths_are_those_of_autograd():
    state = travelled(1.3, RANDOM, 0.3, 12)
    generator = torch.Generator().manual_seed(7)
    torch.randn(96, 96, generator=generator, dtype=torch.float64)
    projected = 0.3 * torch.randn(12, 6, 96, generator=generator, dtype=torch.float64)
    sent = torch.nn.functional.normalize(torch.randn(6, 96, generator=generator, dtype=torch.float64), dim=1)
    start = torch.zeros(6, 96, dtype=torch.float64, requires_grad=True)
    hidden = start
    for a in projected:
        hidden = torch.tanh(a + hidden @ torch.from_numpy(state["w_hh"]).mT)
    (grad,) = torch.autograd.grad(hidden, start, sent)
    np.testing.assert_allclose(state["measured"][-1], grad.norm(dim=1))


def test_it_starts_with_a_bound_that_explodes_and_a_gradient_that_vanishes(figure, alt_of, note_of):
    assert figure.state["bound"][-1] > 1e10
    assert figure.state["measured"][-1].max() < 0.1
    assert "spectral radius 1.00" in alt_of(figure)
    assert "bound" in note_of(figure)
    assert "likely" in alt_of(figure)
    assert "likely" in note_of(figure)


def test_an_orthogonal_matrix_with_quiet_inputs_keeps_the_length(figure):
    figure.set(matrix=ORTHOGONAL, inputs=0.01)
    assert figure.state["bound"][-1] == pytest.approx(1, abs=1e-3)
    assert figure.state["measured"][-1].min() > 0.8


def test_one_way_pairs_grow_before_they_vanish_though_the_radius_is_below_one(figure, alt_of, note_of):
    figure.set(matrix=ONE_WAY, radius=0.8, inputs=0.01)
    assert figure.state["measured"].max() > 2
    assert figure.state["measured"][-1].max() < 0.1
    assert "On the way the longest is" in alt_of(figure)
    assert "likely" not in alt_of(figure)
    assert "likely" not in note_of(figure)


def test_saturation_stops_the_explosion(figure):
    figure.set(radius=2.0, inputs=0.1)
    quiet = figure.state["measured"][-1].min()
    figure.set(inputs=10**0.5)
    assert figure.state["measured"][-1].max() < quiet


@pytest.mark.parametrize("matrix", [RANDOM, ORTHOGONAL, ONE_WAY])
@pytest.mark.parametrize(("radius", "steps"), [(0.3, 100), (2.0, 100), (1.0, 5)])
def test_every_corner_can_be_drawn(figure, matrix, radius, steps, alt_of):
    figure.set(matrix=matrix, radius=radius, steps=steps)
    assert f"goes back {steps} steps" in alt_of(figure)


def test_an_unknown_matrix_is_named():
    with pytest.raises(ValueError, match="matrix must be one of 'random', 'orthogonal', 'pairs, one way'; got 'diagonal'"):
        gradient_through_time(matrix="diagonal")
