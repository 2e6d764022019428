"""Two ways to the same result, measured in turn in one process, so that what else the machine does falls on both."""

import statistics
import time
from dataclasses import dataclass

ROUNDS = 25
LEAST_SECONDS = 0.002  # a measurement shorter than this is repeated and averaged


@dataclass(frozen=True)
class Comparison:
    """One line of the results: seconds of ours and of the rival's, how many times slower ours is, and what it may be."""

    what: str
    ours: float
    rival: float
    ratio: float
    goal: float | None = None


def side_by_side(what, ours, rival, *, goal=None, rounds=ROUNDS, parts=1, rival_parts=1):
    """Run ours and the rival's by turns; seconds are medians, the ratio is the median of the ratios of neighbours.

    ours, rival: functions without arguments
    parts, rival_parts: when each does that many units of the work, seconds and ratio are those of one unit
    """
    repeats = [_repeats(ours), _repeats(rival)]  # warms both up as well
    measured = [(_seconds(ours, repeats[0]) / parts, _seconds(rival, repeats[1]) / rival_parts) for _ in range(rounds)]
    ratio = statistics.median(a / b for a, b in measured)
    ours, rival = (statistics.median(times) for times in zip(*measured, strict=True))
    return Comparison(what, ours, rival, ratio, goal)


def _repeats(function):
    function()
    return max(1, round(LEAST_SECONDS / _seconds(function, 1)))


def _seconds(function, repeats):
    started = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - started) / repeats
