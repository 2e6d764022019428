"""How long does it take? Measured so that a device which works in the background cannot flatter itself."""

import time

import torch


def seconds_per_call(work, *, device="cpu", calls=5, rounds=7, synchronize=None, clock=time.perf_counter):
    """Seconds that one ``work()`` takes: the best of ``rounds`` means over ``calls`` calls each, after one call to warm up.

    device       where the work runs; on CUDA the clock is read only when the queue is empty
    synchronize  a function that waits for the device, in place of the device's own
    clock        a function that returns seconds

    The best round is the one that the rest of the machine disturbed least.

    >>> seconds_per_call(lambda: None, rounds=2) < 1e-3
    True
    """
    if calls < 1 or rounds < 1:
        raise ValueError(f"calls and rounds must be at least 1; got calls={calls}, rounds={rounds}")
    if synchronize is None:
        synchronize = torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None
    work()
    best = float("inf")
    for _ in range(rounds):
        synchronize()
        start = clock()
        for _ in range(calls):
            work()
        synchronize()
        best = min(best, (clock() - start) / calls)
    return best
