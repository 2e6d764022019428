"""The stopwatch tells the truth about a device that works in the background."""

import pytest

from mmlearn.training import seconds_per_call


class Device:
    """Each call takes 1/8 second to ask for and 2 seconds to do, the first 5 seconds more; its clock is its own."""

    def __init__(self):
        self.now, self.done_at, self.extra = 0.0, 0.0, 5.0

    def launch(self):
        self.now += 0.125
        self.done_at = max(self.done_at, self.now) + 2.0 + self.extra
        self.extra = 0.0

    def synchronize(self):
        self.now = max(self.now, self.done_at)

    def clock(self):
        return self.now


@pytest.mark.parametrize("calls", [1, 4])
def test_waiting_work_is_counted_and_the_first_call_is_not(calls):
    device = Device()
    measured = seconds_per_call(device.launch, synchronize=device.synchronize, clock=device.clock, calls=calls, rounds=3)
    assert measured == 2 + 0.125 / calls  # only the first call of a round finds an empty queue


def test_the_least_disturbed_round_counts():
    ticks = iter([0, 7, 10, 12, 20, 29])
    assert seconds_per_call(lambda: None, clock=lambda: next(ticks), calls=2, rounds=3) == 1


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"rounds": 0}])
def test_nothing_to_time_is_refused(wrong):
    with pytest.raises(ValueError, match="must be at least 1"):
        seconds_per_call(lambda: None, **wrong)
