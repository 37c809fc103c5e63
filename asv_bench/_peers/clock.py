"""The clock: all contenders in turn, round after round, and the median of each.

A machine's speed drifts; contenders that take turns drift together, so their ratio stays. A turn is as many calls as
fill a slice of time, after a pause in which the last contender's threads stop looking for work (OpenBLAS's do so for a
tenth of a second), and one call to warm up.
"""

import statistics
import time
from math import ceil

SLICE = 0.005  # seconds that a turn lasts at least
REST = 0.01  # seconds in which a process that rests uses no core: a few ticks, by which the system counts
LONGEST = 0.5  # seconds that it is waited for
BUDGET = 2.0  # seconds spent on one contender at most, three turns at least


def alternate(calls, rounds):
    """Median seconds of one call for each name in `calls`."""
    plan = {name: turns(call, rounds) for name, call in calls.items()}
    times = {name: [] for name in calls}
    for turn in range(rounds):
        order = list(calls) if turn % 2 == 0 else list(reversed(calls))
        for name in order:
            number, wanted = plan[name]
            if turn < wanted:
                rest()
                times[name].append(seconds(calls[name], number))
    return {name: statistics.median(values) for name, values in times.items()}


def turns(call, rounds):
    """How many calls fill a slice, and how many turns the budget allows."""
    call()
    once = min(seconds(call, 1), seconds(call, 1))
    number = max(1, ceil(SLICE / once))
    return number, min(rounds, max(3, int(BUDGET / ((number + 1) * once))))


def rest():
    """Sleep until no thread of this process has used a core for a while."""
    end = time.perf_counter() + LONGEST
    used = REST
    while used > REST / 10 and time.perf_counter() < end:
        before = time.process_time()
        time.sleep(REST)
        used = time.process_time() - before


def seconds(call, number):
    call()
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number
