"""Streams of measurements brought onto one clock: a camera, a microphone and a range finder never tick together.

>>> camera, wheel = clock(3, rate=2), clock(9, rate=5, start=0.1)     # when each measured, in seconds
>>> both = align(camera * 10, camera, wheel * 10, wheel, rate=4)
>>> both.times
tensor([0.1000, 0.3500, 0.6000, 0.8500], dtype=torch.float64)
>>> both.first
tensor([1.0000, 3.5000, 6.0000, 8.5000], dtype=torch.float64)
>>> both.largest_gap                                                  # seconds bridged by a straight line
(0.5, 0.2)

Times are seconds, as float64: float32 cannot tell two moments of the same hour apart by less than 0.2 ms.
"""

from dataclasses import dataclass

import torch

_ROUNDING = 1e-9  # seconds: a moment this far outside counts as the end itself


@dataclass(frozen=True)
class Aligned:
    """Two streams on one clock.

    times        (M,) float64, seconds on the clock of the first stream
    first, second   (…, M, D), or (M,) where the stream was (T,): their values at these times
    largest_gap  for each stream the longest time, in seconds, between two measurements that the interpolation joins
    """

    times: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    largest_gap: tuple[float, float]


def clock(count, rate, start=0.0):
    """When a sensor with ``rate`` measurements a second took its ``count`` measurements: (count,) float64, seconds.

    >>> clock(3, rate=10, start=5)
    tensor([5.0000, 5.1000, 5.2000], dtype=torch.float64)
    """
    if not rate > 0:
        raise ValueError(f"rate must be above 0 measurements a second; got {rate!r}")
    return start + torch.arange(count, dtype=torch.float64) / rate


def resample_to(values, times, new_times, hold=None):
    """x(t) = x_k + (t − t_k)/(t_{k+1} − t_k) · (x_{k+1} − x_k) between the measurements k and k + 1 — Eq. 18.1.

    values: (T,), (T, D) or (N, T, D) → (M,), (M, D) or (N, M, D)
    times: (T,) seconds, rising   new_times: (M,) seconds, in any order
    hold: None refuses moments outside times[0] … times[-1]; "edge" gives them the first or last measurement.
    A NaN in a measurement spoils the two stretches beside it and stays visible as NaN.

    Between two measurements nothing is known: what changes faster than the sensor ticks is lost, and thinning out a fast signal
    this way aliases (for sound use ``mmlearn.data.audio.resample``, which filters first).
    Raises ValueError on unsorted or repeated times, and on moments outside the range.

    >>> resample_to(torch.tensor([0.0, 10.0, 0.0]), times=[0, 1, 2], new_times=[0.5, 1.25])
    tensor([5.0000, 7.5000])
    >>> resample_to(torch.tensor([3.0, 4.0]), times=[0, 1], new_times=[-1, 2], hold="edge")
    tensor([3., 4.])
    """
    values, times = _stream(values, times, "times")
    new_times = _seconds(new_times, "new_times", values.device)
    if hold not in (None, "edge"):
        raise ValueError(f'hold must be None or "edge"; got {hold!r}')
    outside = (new_times < times[0] - _ROUNDING) | (new_times > times[-1] + _ROUNDING)
    if hold is None and outside.any():
        raise ValueError(
            f"{int(outside.sum())} of {len(new_times)} new times, the first of them {new_times[outside][0]:g} s, lie outside the "
            f"measurements ({times[0]:g} to {times[-1]:g} s): leave them out, "
            'or repeat the first and last measurement with hold="edge"'
        )
    if len(times) == 1:
        before = after = torch.zeros(len(new_times), dtype=torch.int64, device=values.device)
        weight = torch.zeros_like(new_times)
    else:
        new_times = new_times.clamp(times[0], times[-1])
        after = torch.searchsorted(times, new_times, right=True).clamp(max=len(times) - 1)  # (M,)
        before = after - 1
        weight = (new_times - times[before]) / (times[after] - times[before])  # (M,) in [0, 1]
    along = values.movedim(0 if values.ndim < 3 else 1, -1)  # (…, T)
    start, end = along[..., before].double(), along[..., after].double()
    # A measurement that is met exactly counts alone, whatever its neighbour holds.
    between = torch.where(weight == 0, start, torch.where(weight == 1, end, start + weight * (end - start)))  # (…, M)
    return between.to(values.dtype).movedim(-1, 0 if values.ndim < 3 else 1)


def nearest(times, new_times):
    """Which measurement is closest to each moment, and how far away it is: index (M,) int64, gap (M,) seconds, at least 0.

    Of two equally close measurements the earlier one is taken. For what cannot be interpolated: pictures, labels, words.

    >>> index, gap = nearest([0.0, 1.0, 2.0], [0.4, 1.75, 5.0])
    >>> index, gap
    (tensor([0, 2, 2]), tensor([0.4000, 0.2500, 3.0000], dtype=torch.float64))
    """
    times = _rising(_seconds(times, "times"), "times")
    new_times = _seconds(new_times, "new_times", times.device)
    after = torch.searchsorted(times, new_times).clamp(max=len(times) - 1)
    before = (after - 1).clamp(min=0)
    index = torch.where((new_times - times[before]).abs() <= (times[after] - new_times).abs(), before, after)
    return index, (new_times - times[index]).abs()


def windows(values, length, step, drop_last=False):
    """Overlapping windows: (T,) or (T, D) → (N_w, length) or (N_w, length, D), window i from i · step on.

    A view: no measurement is copied, and writing to it writes to ``values``.
    drop_last: leave out the measurements at the end that fill no window. Without it they are an error, never lost unnoticed.

    >>> windows(torch.arange(7), length=3, step=2)
    tensor([[0, 1, 2],
            [2, 3, 4],
            [4, 5, 6]])
    """
    values = torch.as_tensor(values)
    for what, number in (("length", length), ("step", step)):
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"{what} must be a whole number of measurements, at least 1; got {number!r}")
    if values.ndim not in (1, 2):
        raise ValueError(
            f"values must be one stream, (T,) or (T, D); got {tuple(values.shape)}: take the streams of a batch one by one"
        )
    if length > len(values):
        raise ValueError(f"a window of {length} measurements does not fit into a stream of {len(values)}")
    rest = (len(values) - length) % step
    if rest and not drop_last:
        raise ValueError(
            f"windows of {length} every {step} leave the last {rest} of {len(values)} measurements out: "
            f"leave them out on purpose with drop_last=True, or choose a step that divides {len(values) - length}"
        )
    rows = values.unfold(0, length, step)  # (N_w, length) or (N_w, D, length)
    return rows if values.ndim == 1 else rows.mT


def align(first, first_times, second, second_times, rate, *, offset=0.0, longest_gap=None):
    """Two streams at their own moments → both at the same moments, ``rate`` a second, as Aligned.

    first, second: (T,), (T, D) or (N, T, D), each with its own T   first_times, second_times: (T,) seconds, rising
    offset: what the second clock shows when the first shows 0, in seconds; it is taken off the second times.
    longest_gap: refuse to bridge more seconds than this without a measurement.

    The common clock covers the time that both streams cover. Where a sensor was silent the values are a straight line, which
    looks like data and is not: look at ``largest_gap``, or set ``longest_gap``.
    Raises ValueError when the streams do not overlap, or a gap within the overlap is longer than ``longest_gap``.

    A microphone whose clock is 100 s ahead:

    >>> heard, seen = torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([5.0, 6.0, 7.0])
    >>> both = align(seen, [0, 1, 2], heard, [100, 101, 102, 103], rate=2, offset=100)
    >>> both.first, both.second
    (tensor([5.0000, 5.5000, 6.0000, 6.5000, 7.0000]), tensor([0.0000, 0.5000, 1.0000, 1.5000, 2.0000]))
    """
    first, first_times = _stream(first, first_times, "first_times")
    second, second_times = _stream(second, second_times, "second_times")
    second_times = second_times - offset
    if not rate > 0:
        raise ValueError(f"rate must be above 0 moments a second; got {rate!r}")
    start, end = max(first_times[0], second_times[0]).item(), min(first_times[-1], second_times[-1]).item()
    if start > end:
        spans = [f"{times[0]:g} to {times[-1]:g} s" for times in (first_times, second_times)]
        raise ValueError(
            f"the streams do not overlap: on one clock the first covers {spans[0]}, the second {spans[1]}; is the offset right?"
        )
    times = clock(int((end - start) * rate + _ROUNDING) + 1, rate, start).clamp(max=end).to(first.device)
    gaps = tuple(_largest_gap(clocked, times) for clocked in (first_times, second_times))
    for name, gap in zip(("first", "second"), gaps, strict=True):
        if longest_gap is not None and gap > longest_gap:
            raise ValueError(
                f"the {name} stream is silent for {gap:g} s, and longest_gap is {longest_gap:g} s: cut it there, or allow more"
            )
    return Aligned(
        times, resample_to(first, first_times, times), resample_to(second, second_times, times.to(second.device)), gaps
    )


def _largest_gap(times, moments):
    """The longest stretch between two successive ``times`` that holds a moment strictly inside; 0 if there is none."""
    moments = moments.to(times.device)
    after = torch.searchsorted(times, moments - _ROUNDING).clamp(1, max(len(times) - 1, 1))
    if len(times) == 1:
        return 0.0
    gaps = times[after] - times[after - 1]
    inside = (moments - times[after - 1] > _ROUNDING) & (times[after] - moments > _ROUNDING)
    return round(gaps[inside].max().item(), 9) if inside.any() else 0.0


def _seconds(times, what, device=None):
    times = torch.as_tensor(times, dtype=torch.float64, device=device)
    if times.ndim != 1 or not torch.isfinite(times).all():
        raise ValueError(
            f"{what} must be (M,) finite seconds; got {tuple(times.shape)}, {int((~torch.isfinite(times)).sum())} not finite"
        )
    return times


def _rising(times, what):
    """Times that rise, or a ValueError that says where they do not."""
    if not len(times):
        raise ValueError(f"{what} is empty: there is no measurement to take values from")
    wrong = (times.diff() <= 0).nonzero().flatten()
    if len(wrong):
        place = int(wrong[0])
        how = "is repeated" if times[place] == times[place + 1] else "goes back"
        raise ValueError(
            f"{what} must rise; it {how} at position {place + 1}, {times[place]:g} s and then {times[place + 1]:g} s "
            f"({len(wrong)} such places): sort the measurements by time and join those of one moment"
        )
    return times


def _stream(values, times, what):
    """Values as floats (T,), (T, D) or (N, T, D), and their rising times (T,)."""
    values = torch.as_tensor(values)
    if not values.is_floating_point():
        values = values.double()
    if values.ndim not in (1, 2, 3):
        raise ValueError(f"values must be (T,), (T, D) or (N, T, D); got {tuple(values.shape)}")
    times = _rising(_seconds(times, what, values.device), what)
    length = values.shape[0 if values.ndim < 3 else 1]
    if length != len(times):
        raise ValueError(
            f"each measurement needs one time; got {length} measurements {tuple(values.shape)} and {len(times)} {what}"
        )
    return values, times
