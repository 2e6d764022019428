import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.data.align import align, clock, nearest, resample_to, windows


@given(seed=st.integers(0, 2**31), count=st.integers(1, 12), many=st.integers(0, 20))
def test_interpolation_agrees_with_numpy(seed, count, many):
    draw = np.random.default_rng(seed)
    times = np.cumsum(draw.uniform(0.01, 2, count))
    values = draw.normal(size=count)
    new_times = np.concatenate([draw.uniform(times[0], times[-1], many), times])
    found = resample_to(torch.from_numpy(values), times, new_times)
    np.testing.assert_allclose(found.numpy(), np.interp(new_times, times, values), rtol=1e-9, atol=1e-9)


def test_at_the_moments_of_the_measurements_nothing_changes():
    values = torch.randn(7, 3)
    times = torch.tensor([0.0, 0.1, 0.4, 0.5, 2.0, 2.1, 3.3])
    assert torch.equal(resample_to(values, times, times), values)


def test_every_stream_and_feature_of_a_batch_is_interpolated_alike():
    values = torch.randn(4, 9, 3, dtype=torch.float64)
    times, new_times = np.linspace(0, 1, 9), np.random.default_rng(0).random(5)
    found = resample_to(values, times, new_times)
    assert found.shape == (4, 5, 3)
    for n in range(4):
        torch.testing.assert_close(found[n], resample_to(values[n], times, new_times))
        for d in range(3):
            expected = np.interp(new_times, times, values[n, :, d].numpy())
            np.testing.assert_allclose(found[n, :, d], expected, rtol=1e-12, atol=1e-12)


def test_whole_numbers_become_fractions_and_floats_keep_their_kind():
    assert resample_to(torch.tensor([0, 1]), [0, 1], [0.5]).tolist() == [0.5]
    assert resample_to(torch.tensor([0.0, 1.0]), [0, 1], [0.5]).dtype == torch.float32


def test_moments_outside_the_measurements_are_refused_or_held():
    values = torch.tensor([3.0, 5.0])
    with pytest.raises(ValueError, match=r'2 of 3 new times, the first of them 4 s, .*\(1 to 2 s\).*hold="edge"'):
        resample_to(values, [1, 2], [1.5, 4, 0])
    found = resample_to(values, [1, 2], [0, 1.5, 7], hold="edge")
    assert found.tolist() == np.interp([0, 1.5, 7], [1, 2], [3, 5]).tolist()
    with pytest.raises(ValueError, match="got 'last'"):
        resample_to(values, [1, 2], [1.5], hold="last")


def test_a_single_measurement_holds_at_its_moment_and_beyond_when_asked():
    assert resample_to(torch.tensor([[2.0, 3.0]]), [5], [5]).tolist() == [[2.0, 3.0]]
    assert resample_to(torch.tensor([2.0]), [5], [0, 9], hold="edge").tolist() == [2.0, 2.0]


def test_a_nan_spoils_what_lies_beside_it_and_nothing_else():
    found = resample_to(torch.tensor([0.0, torch.nan, 2.0, 3.0]), [0, 1, 2, 3], [0, 0.5, 1, 1.5, 2, 2.5])
    assert found.isnan().tolist() == [False, True, True, True, False, False]
    assert found[4:].tolist() == [2.0, 2.5]


@pytest.mark.parametrize(
    ("values", "times", "says"),
    [
        (torch.zeros(3), [0, 2, 1], r"goes back at position 2, 2 s and then 1 s \(1 such places\)"),
        (torch.zeros(4), [0, 1, 1, 1], r"is repeated at position 2, 1 s and then 1 s \(2 such places\)"),
        (torch.zeros(3), [0, 1], "got 3 measurements .* and 2 times"),
        (torch.zeros(2, 3), [0, 1, 2], r"got 2 measurements \(2, 3\) and 3 times"),
        (torch.zeros(2), [0, np.nan], "finite seconds; .* 1 not finite"),
        (torch.zeros(0), [], "times is empty"),
        (torch.zeros(1, 1, 2, 2), [0, 1], r"got \(1, 1, 2, 2\)"),
    ],
)
def test_times_that_cannot_be_are_refused(values, times, says):
    with pytest.raises(ValueError, match=says):
        resample_to(values, times, [0.5])


@given(seed=st.integers(0, 2**31), count=st.integers(1, 15))
def test_the_nearest_measurement_is_the_nearest(seed, count):
    draw = np.random.default_rng(seed)
    times = np.cumsum(draw.uniform(0.01, 2, count))
    new_times = draw.uniform(-3, times[-1] + 3, 20)
    index, gap = nearest(times, new_times)
    away = np.abs(new_times[:, None] - times)
    assert index.tolist() == away.argmin(axis=1).tolist()
    np.testing.assert_allclose(gap.numpy(), away.min(axis=1), rtol=1e-12)


def test_of_two_equally_near_measurements_the_earlier_is_taken():
    index, gap = nearest([0, 1, 2], [0.5, 1.5])
    assert index.tolist() == [0, 1]
    assert gap.tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="must rise"):
        nearest([1, 0], [0.5])


@given(length=st.integers(1, 6), step=st.integers(1, 6), count=st.integers(0, 5), features=st.integers(0, 3))
def test_window_i_begins_at_i_times_step(length, step, count, features):
    values = torch.randn(length + count * step, *([features] if features else []))
    found = windows(values, length, step)
    assert len(found) == count + 1
    for i, window in enumerate(found):
        assert torch.equal(window, values[i * step : i * step + length])


def test_windows_are_a_view():
    values = torch.zeros(10, 2)
    windows(values, 4, 2)[1, 0, 1] = 7
    assert values[2, 1] == 7
    assert windows(values, 4, 2).data_ptr() == values.data_ptr()


def test_measurements_at_the_end_are_not_lost_unnoticed():
    values = torch.arange(12)
    with pytest.raises(ValueError, match=r"leave the last 2 of 12 measurements out: .*drop_last=True"):
        windows(values, 4, 3)
    assert windows(values, 4, 3, drop_last=True)[:, 0].tolist() == [0, 3, 6]


@pytest.mark.parametrize(
    ("shape", "length", "step", "says"),
    [
        ((5,), 6, 1, "a window of 6 .* stream of 5"),
        ((5,), 0, 1, "length .* got 0"),
        ((5,), 2, 0.5, "step .* got 0.5"),
        ((1, 2, 3), 1, 1, "must be one stream"),
    ],
)
def test_windows_that_cannot_be_are_refused(shape, length, step, says):
    with pytest.raises(ValueError, match=says):
        windows(torch.zeros(shape), length, step)


def test_two_clocks_with_another_rate_and_offset_meet():
    """Both sensors see the same straight line in time, so on a common clock they must read the same."""
    line = lambda seconds: 3 * seconds - 1  # noqa: E731
    camera, microphone = clock(50, rate=25), clock(321, rate=160, start=0.013)
    both = align(line(camera)[:, None], camera, line(microphone), microphone + 1e6, rate=100, offset=1e6)
    torch.testing.assert_close(both.first[:, 0], line(both.times))
    torch.testing.assert_close(both.second, line(both.times), rtol=0, atol=1e-6)
    assert both.times[0] == pytest.approx(0.013, abs=1e-9)
    torch.testing.assert_close(both.times.diff(), torch.full_like(both.times[1:], 0.01), rtol=0, atol=1e-12)
    assert camera[-1] - 0.01 < both.times[-1] <= camera[-1]
    assert both.largest_gap == pytest.approx((0.04, 1 / 160), abs=1e-6)


def test_the_last_moment_that_both_cover_is_kept():
    times = clock(4, rate=10)
    both = align(times, times, times, times, rate=10)
    assert torch.equal(both.times, times)
    assert both.largest_gap == (0.0, 0.0)  # every moment was measured


@given(seed=st.integers(0, 2**31))
def test_seconds_since_1970_round_without_leaving_the_range(seed):
    """There float64 steps by 0.2 µs, so every time is a little wrong."""
    draw = np.random.default_rng(seed)
    start, rate = 1.7e9 + draw.random(), draw.uniform(5, 50)
    times = clock(20, rate, start)
    both = align(times - start, times, times - start, times, rate=rate)
    assert len(both.times) >= 19
    assert both.times[-1] <= times[-1]
    torch.testing.assert_close(both.first, both.times - start, rtol=0, atol=1e-6)


def test_a_slow_clock_does_not_tick_behind_the_end():
    times = torch.tensor([0, 3000 - 2e-7], dtype=torch.float64)  # three ticks but for rounding
    both = align(times, times, times, times, rate=0.001)
    assert both.times.tolist() == [0, 1000, 2000, times[1].item()]


def test_a_silent_sensor_is_reported_and_refused_on_request():
    steady = clock(11, rate=10)
    dropped = torch.cat([steady[:3], steady[8:]])
    both = align(steady, steady, dropped, dropped, rate=10)
    assert both.largest_gap == (0.0, pytest.approx(0.6))
    align(steady, steady, dropped, dropped, rate=10, longest_gap=0.7)
    with pytest.raises(ValueError, match=r"the second stream is silent for 0\.6 s, and longest_gap is 0\.5 s"):
        align(steady, steady, dropped, dropped, rate=10, longest_gap=0.5)


def test_a_gap_outside_the_common_time_does_not_count():
    steady = clock(11, rate=10)
    late = torch.tensor([-50.0, -0.1, *steady.tolist()])
    assert align(steady, steady, late, late, rate=20).largest_gap == pytest.approx((0.1, 0.1))


def test_streams_that_do_not_meet_are_refused():
    with pytest.raises(ValueError, match=r"the first covers 0 to 1 s, the second 100 to 101 s; is the offset right"):
        align(torch.zeros(2), [0, 1], torch.zeros(2), [100, 101], rate=2)
    with pytest.raises(ValueError, match="rate must be above 0"):
        align(torch.zeros(2), [0, 1], torch.zeros(2), [0, 1], rate=0)
    with pytest.raises(ValueError, match="second_times must rise"):
        align(torch.zeros(2), [0, 1], torch.zeros(2), [1, 0], rate=1)
