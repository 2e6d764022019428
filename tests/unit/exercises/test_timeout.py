"""Every endless loop ends soon after its limit, whatever it catches, and leaves the process as it was."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from mmlearn.exercises.timeout import TimeLimit, call_within

LIMIT = 0.1  # seconds


def spin():
    while True:
        pass


def swallow():
    while True:
        try:  # noqa: SIM105
            sum(range(10))
        except:  # noqa: E722
            pass


def swallow_without_calls():
    count = 0
    while True:
        try:
            count += 1
        except BaseException:
            count = 0


def swallow_and_go_on_in_a_function():
    try:
        while True:
            pass
    except:  # noqa: E722
        swallow_and_go_on_in_a_function()


def sleep_through():
    while True:
        try:  # noqa: SIM105
            time.sleep(60)
        except:  # noqa: E722
            pass


def swallow_twice():
    while True:
        try:  # noqa: SIM105
            swallow()
        except:  # noqa: E722
            pass


def tidy_up_forever():
    while True:
        try:
            sum(range(10))
        finally:
            swallow()


# One loop within another, both catching everything, cannot be ended on Python 3.12: there the last step of a loop still counts as
# inside its `try`.
nested = pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="Python 3.12 ends one such loop, not one in another")
SIMPLE = [spin, swallow, swallow_without_calls, swallow_and_go_on_in_a_function, sleep_through]
LOOPS = [*SIMPLE, pytest.param(swallow_twice, marks=nested), pytest.param(tidy_up_forever, marks=nested)]


@pytest.mark.parametrize("loop", LOOPS)
def test_every_endless_loop_ends(loop):
    with pytest.raises(TimeLimit):
        call_within(LIMIT, loop)


@pytest.mark.parametrize("loop", SIMPLE[:4])
def test_every_endless_loop_ends_in_another_thread_too(loop):
    ended = []

    def run():
        try:
            call_within(LIMIT, loop)
        except TimeLimit:
            ended.append(True)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert ended == [True]


def test_code_within_the_limit_returns_its_value_and_raises_its_own_errors():
    assert call_within(5, lambda a, b: a + b, 1, b=2) == 3
    with pytest.raises(ZeroDivisionError):
        call_within(5, lambda: 1 / 0)


def test_no_time_left_calls_nothing():
    called = []
    with pytest.raises(TimeLimit):
        call_within(0, called.append, 1)
    assert called == []


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarm signal on this system")
def test_a_timer_that_was_running_goes_on_with_what_was_left_of_it():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    outer = signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        with pytest.raises(TimeLimit):
            call_within(LIMIT, swallow)
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 40 < left < 50 - LIMIT
        signal.raise_signal(signal.SIGALRM)
        assert rung == [True]
    finally:
        signal.setitimer(signal.ITIMER_REAL, *outer)
        signal.signal(signal.SIGALRM, before)


def test_no_late_exception_strikes_afterwards():
    trace = sys.gettrace()
    for _ in range(5):
        with pytest.raises(TimeLimit):
            call_within(0.03, swallow)
        assert sum(len(str(i)) for i in range(20_000)) == 88_890
    assert sys.gettrace() is trace


def test_except_exception_does_not_catch_the_limit():
    def answer():
        try:
            spin()
        except Exception:
            return "caught"

    with pytest.raises(TimeLimit):
        call_within(LIMIT, answer)


AFTERWARDS = """
import sys, threading
from mmlearn.exercises.timeout import TimeLimit, call_within

def swallow():
    while True:
        try:
            sum(range(10))
        except:
            pass

def traced(frame, event, arg):
    return traced

def within_and_beyond():
    assert call_within(5, abs, -3) == 3
    for loop in (swallow,) * 3:
        try:
            call_within(0.1, loop)
        except TimeLimit:
            pass
    sys.settrace(traced)
    (lambda: None)()
    sys.settrace(None)

if THREAD:
    thread = threading.Thread(target=within_and_beyond)
    thread.start()
    thread.join()
else:
    within_and_beyond()
print("alive")
"""


@pytest.mark.parametrize("thread", [False, True])
def test_a_debugger_works_afterwards(thread):
    """A trace function is called at each function's begin; CPython 3.11 never gets past it with an exception half on its way."""
    code = AFTERWARDS.replace("THREAD", str(thread))
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "alive\n"
