"""A shift of sinusoidal places is a rotation, the same wherever one starts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.ops import sinusoidal_positions
from mmlearn.ops.position_shift import shift_rotation

FLOAT64 = {"dtype": torch.float64}


@given(st.integers(0, 12), st.integers(1, 8), st.floats(2, 20_000))
def test_it_takes_every_place_k_steps_on(steps, pairs, base):
    places = sinusoidal_positions(30, 2 * pairs, base, **FLOAT64)
    R = shift_rotation(steps, 2 * pairs, base, **FLOAT64)
    torch.testing.assert_close(places[: 30 - steps] @ R.T, places[steps:])
    torch.testing.assert_close(shift_rotation(-steps, 2 * pairs, base, **FLOAT64), R.T)


def test_it_is_a_rotation_and_shifts_add_up():
    one, two, three = (shift_rotation(k, 6, **FLOAT64) for k in (1, 2, 3))
    torch.testing.assert_close(one @ one.T, torch.eye(6, **FLOAT64))
    torch.testing.assert_close(one @ two, three)
    assert torch.linalg.det(one).item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "words"), [((1.5, 4), "steps"), ((1, 3), "features"), ((1, 0), "features"), ((1, 4, -2.0), "base")]
)
def test_what_makes_no_sense_is_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        shift_rotation(*arguments)
