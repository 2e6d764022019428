import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.show.explore_optimisers import _SURFACES, SADDLE, STEEP, TURNED, VALLEY, optimiser_paths, paths

SETTINGS = st.fixed_dictionaries(
    {
        "surface": st.sampled_from([VALLEY, TURNED, SADDLE]),
        "lr": st.sampled_from([0.003, 0.03, 0.039]),
        "momentum": st.sampled_from([0.0, 0.5, 0.9]),
        "steps": st.integers(1, 40),
    }
)


@pytest.fixture
def figure(published):
    return optimiser_paths()


def torchs_path(make, surface, steps):
    ground = _SURFACES[surface]
    theta = torch.tensor(ground.start, dtype=torch.float64, requires_grad=True)
    optimiser, points = make([theta]), [theta.detach().clone()]
    for _ in range(steps):
        optimiser.zero_grad()
        ground.height(theta[0], theta[1]).backward()
        optimiser.step()
        points.append(theta.detach().clone())
    return torch.stack(points).numpy()


@settings(max_examples=25, deadline=None)
@given(SETTINGS)
def test_every_path_is_the_one_that_torchs_optimiser_takes_with_autograds_gradients(setting):
    lr, momentum = setting["lr"], setting["momentum"]
    optim = torch.optim
    makers = {
        "SGD": lambda theta: optim.SGD(theta, lr=lr),
        "momentum": lambda theta: optim.SGD(theta, lr=lr, momentum=momentum),
        "RMSProp": lambda theta: optim.RMSprop(theta, lr=lr, alpha=0.9),
        "AdamW": lambda theta: optim.AdamW(theta, lr=lr, betas=(momentum, 0.999), weight_decay=0),
    }
    walked = paths(**setting)["paths"]
    for name, make in makers.items():
        np.testing.assert_allclose(walked[name], torchs_path(make, setting["surface"], setting["steps"]), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("surface", [VALLEY, TURNED, SADDLE])
def test_a_surface_is_zero_at_its_minima_and_has_no_slope_there(surface):
    ground = _SURFACES[surface]
    for minimum in ground.minima:
        assert ground.height(*minimum) == pytest.approx(0)
        assert ground.gradient(*minimum) == pytest.approx((0, 0))


def test_turning_the_valley_changes_nothing_for_gradient_descent_and_much_for_adam():
    """SGD and momentum do not care which axes are the weights; RMSProp and AdamW divide weight by weight."""
    start = np.array(_SURFACES[TURNED].start)
    turn = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    in_valley = {**vars(_SURFACES[VALLEY]), "start": tuple(turn @ start)}
    setting = {"lr": 0.03, "momentum": 0.8, "steps": 30}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_SURFACES[VALLEY], "start", in_valley["start"])
        straight, turned = paths(VALLEY, **setting)["paths"], paths(TURNED, **setting)["paths"]
    for name in ("SGD", "momentum"):
        np.testing.assert_allclose(turned[name] @ turn.T, straight[name], atol=1e-12)
    for name in ("RMSProp", "AdamW"):
        assert np.abs(turned[name] @ turn.T - straight[name]).max() > 0.1


def test_it_starts_below_the_bound_with_all_paths_in_the_picture(figure, alt_of, note_of):
    assert figure.value["lr"] < 2 / STEEP
    assert all(len(points) == 61 for points in figure.state["paths"].values())
    assert "is below 2/λ = 2/50 = 0.04" in note_of(figure)
    assert "outside" not in alt_of(figure)


def test_beyond_the_bound_plain_descent_leaves_the_picture(figure, alt_of, note_of):
    figure.set(lr=0.0412, steps=60)
    assert "is not below 2/λ" in note_of(figure)
    assert "SGD ends outside the picture" in alt_of(figure)
    assert "momentum ends at" in alt_of(figure)  # it may go nearly twice as far
    figure.set(lr=0.3, steps=200)
    assert re.search(r"SGD runs away in \d+ steps; momentum runs away in", alt_of(figure))
    assert "SGD and momentum have run away." in note_of(figure)


def test_the_saddle_holds_plain_descent_longest(figure, note_of):
    figure.set(surface=SADDLE)
    assert "momentum, RMSProp and AdamW." in note_of(figure)
    figure.set(steps=200)
    assert "SGD, momentum, RMSProp and AdamW." in note_of(figure)


def test_the_text_alternative_tells_where_each_path_ends(figure, alt_of):
    figure.set(surface=VALLEY, lr=0.01, momentum=0.5, steps=3)
    alt = alt_of(figure)
    for name, points in figure.state["paths"].items():
        a, b = points[-1]
        said = re.search(rf"{name} ends at \(([−\d.e]+), ([−\d.e]+)\)", alt)
        told = [float(text.replace("−", "-")) for text in said.groups()]
        assert told == pytest.approx([a, b], abs=0.006)
    assert "over 3 steps with learning rate 0.01 and momentum 0.5" in alt


def test_one_step_and_a_run_away_loss_can_be_drawn(figure, alt_of):
    figure.set(steps=1)
    assert "1 step " in alt_of(figure)
    figure.set(lr=1.0, steps=200, momentum=0.98)
    assert all(np.isfinite(points).all() for points in figure.state["paths"].values())


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


def test_an_unknown_surface_is_named():
    with pytest.raises(ValueError, match="surface must be one of 'narrow valley', 'narrow valley, turned', 'saddle'; got 'hill'"):
        optimiser_paths("hill")
