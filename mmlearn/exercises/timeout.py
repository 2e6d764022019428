"""A time limit that ends a student's endless loop, also one that swallows exceptions with a bare ``except:``."""

import ctypes
import signal
import sys
import threading
import time

_RETRY = 0.02  # seconds until a student's code that swallowed the first exception gets the next
_raise_later = ctypes.pythonapi.PyThreadState_SetAsyncExc  # raises an exception in a thread, at its next call or loop
_raise_later.argtypes = [ctypes.c_ulong, ctypes.py_object]
_STORM = 30  # exceptions in a row, see below
_left = {}  # how many of them are left to raise, by thread


class TimeLimit(BaseException):
    """Raised inside the student's code; not an `Exception`, so that ``except Exception`` lets it through."""


class _Storm(TimeLimit):
    """A `TimeLimit` that sends for the next one as it is made: whatever an ``except:`` does with it is interrupted too.

    So the exceptions follow each other until one strikes where nothing catches it: in an ``except`` block, or between two rounds
    of a loop. The next is sent for from within `map`, since after a plain call the interpreter would raise it here at once.
    """

    def __init__(self):
        thread = threading.get_ident()
        if _left.get(thread, 0) > 0:
            _left[thread] -= 1
            for _ in map(_raise_later, (thread,), (_Storm,)):
                return


def call_within(seconds, function, *args, **kwargs):
    """`function(*args, **kwargs)`, ended by `TimeLimit` after `seconds`.

    In the main thread of a POSIX system an alarm signal interrupts it; elsewhere a second thread raises the exception in this
    one. A call into C that never returns cannot be ended. Handlers, timers and trace functions are put back as they were, and no
    exception stays on its way. (To overwrite it with a null pointer would not do: CPython 3.11 then looks for it for ever, and
    the next traced function, in a debugger say, never begins.)
    """
    if seconds <= 0:
        raise TimeLimit
    by_signal = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    return (_with_alarm if by_signal else _with_watchdog)(seconds, function, args, kwargs)


def _with_alarm(seconds, function, args, kwargs):
    ours, thread, rings = sys._getframe().f_code, threading.get_ident(), 0

    def ring(signum, frame):
        nonlocal rings
        if frame is None or frame.f_code is ours:
            return  # the student's code is over
        rings += 1
        if rings == 1:
            raise TimeLimit
        if rings % 2 == 0:
            _left[thread] = _STORM
            raise _Storm
        _raise_in_lines(rings % 19, frame, ours)

    started, trace = time.monotonic(), sys.gettrace()
    handler = signal.signal(signal.SIGALRM, ring)
    before, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _RETRY)
    try:
        return function(*args, **kwargs)
    finally:
        try:
            _left[thread] = 0
            while rings > 1:  # one that is on its way is called back by taking it
                _raise_later(thread, TimeLimit)
        except TimeLimit:
            pass
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(trace)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if before:
            signal.setitimer(signal.ITIMER_REAL, max(1e-3, before - (time.monotonic() - started)), interval)


def _raise_in_lines(count, frame, ours):
    """Raise from a trace function, `count` lines further on: some Python versions catch a storm at the end of a loop's body."""

    def strike(frame, event, arg):
        nonlocal count
        if frame.f_code.co_filename == __file__:
            return None
        count -= event == "line"
        if count < 0:
            raise TimeLimit
        return strike

    while frame is not None and frame.f_code is not ours:
        frame.f_trace = strike
        frame = frame.f_back
    sys.settrace(strike)


def _with_watchdog(seconds, function, args, kwargs):
    thread, over, sending, sent = threading.get_ident(), threading.Event(), threading.Lock(), False

    def watch():
        nonlocal sent
        exception, pause = TimeLimit, seconds
        while not over.wait(pause):
            with sending:
                if not over.is_set():
                    _left[thread], sent = _STORM, True
                    _raise_later(thread, exception)
            exception, pause = _Storm, _RETRY

    threading.Thread(target=watch, daemon=True).start()
    try:
        return function(*args, **kwargs)
    finally:
        try:
            _left[thread] = 0
            sending.acquire()  # from here on the watchdog sends nothing
        except TimeLimit:
            pass  # the last that it had sent, raised as the call above ended
        try:
            _left[thread] = 0
            while sent:
                _raise_later(thread, TimeLimit)
        except TimeLimit:
            pass
        over.set()
        sending.release()
