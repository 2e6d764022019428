"""A time limit that ends a student's endless loop, also one that swallows exceptions with a bare ``except:``."""

import ctypes
import random
import signal
import sys
import threading
import time

_RETRY = 0.02  # seconds between attempts to end code that swallowed the first one


class TimeLimit(BaseException):
    """Raised inside the student's code; not an `Exception`, so that ``except Exception`` lets it through."""


def call_within(seconds, function, *args, **kwargs):
    """`function(*args, **kwargs)`, ended by `TimeLimit` after `seconds`.

    In the main thread of a POSIX system an alarm signal interrupts it; elsewhere a second thread raises the exception in this
    one. A call into C that never returns cannot be ended. Handlers, timers and trace functions are put back as they were.
    """
    if seconds <= 0:
        raise TimeLimit
    by_signal = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    return (_with_alarm if by_signal else _with_watchdog)(seconds, function, args, kwargs)


def _with_alarm(seconds, function, args, kwargs):
    ours = sys._getframe().f_code
    tries = 0

    def ring(signum, frame):
        nonlocal tries
        if frame is None or frame.f_code is ours:
            return  # the student's code is already over
        tries += 1
        if tries == 1:
            raise TimeLimit
        # It was swallowed. An exception out of a trace function can strike on any line, so try one line further each time until
        # it strikes where no `except:` is watching.
        wait = tries % 17

        def strike(frame, event, arg):
            nonlocal wait
            wait -= 1
            if wait > 0 or event != "line":
                return strike
            signal.setitimer(
                signal.ITIMER_REAL, random.uniform(1e-5, 1e-3), _RETRY
            )  # again soon, in case an outer loop catches it
            raise TimeLimit

        sys.settrace(strike)
        while frame is not None and frame.f_code is not ours:
            frame.f_trace = strike
            frame = frame.f_back

    started, trace = time.monotonic(), sys.gettrace()
    handler = signal.signal(signal.SIGALRM, ring)
    before, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _RETRY)
    try:
        return function(*args, **kwargs)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(trace)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if before:
            signal.setitimer(signal.ITIMER_REAL, max(1e-3, before - (time.monotonic() - started)), interval)


def _with_watchdog(seconds, function, args, kwargs):
    caller, over, lock = ctypes.c_ulong(threading.get_ident()), threading.Event(), threading.RLock()

    def watch():
        pause = seconds
        while not over.wait(pause):
            with lock:
                if not over.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(caller, ctypes.py_object(TimeLimit))
            pause = random.uniform(1e-4, _RETRY)

    threading.Thread(target=watch, daemon=True).start()
    try:
        return function(*args, **kwargs)
    finally:
        while True:
            try:
                with lock:
                    over.set()
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(caller, None)  # forget one that is still on its way
                break
            except TimeLimit:
                continue
