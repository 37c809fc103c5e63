"""One thread against several on the same work: `python asv_bench/scaling.py --family 3x3 --threads 2`.

Both take turns in one process, each on fastconv alone, and medians count. A layer's ratio is how many times faster it
is on all the threads; what is marked is less than `--least` of as many times, in layers of 50 MFLOP and more, or slower
than one thread in smaller ones. Other processes on the machine's cores show here first: run it on an idle one.
"""

import argparse
import sys
from statistics import geometric_mean

from _peers import options

LARGE = 50e6  # operations of a layer from which it should gain nearly as much as there are threads
NOISE = 0.97  # of one thread's speed: less is slower


def main(argv=None):
    arguments = parse(argv)
    from _peers import machine
    from _peers.families import FAMILIES, tasks

    objection = options.objection(arguments.family)
    if objection:
        print(objection)
        return 2
    print(machine.describe(arguments.threads))
    for name in arguments.family or FAMILIES:
        print(f"\n{name}\n{'layer':48} {'MFLOP':>8} {'1 thread':>10} {arguments.threads:>3} threads  ratio")
        ratios = []
        for task in tasks(FAMILIES[name], arguments.layer, arguments.dtype, arguments.layout):
            least = arguments.least * arguments.threads if task.flops >= LARGE else NOISE
            for label, one, several in times(task, arguments.threads, arguments.rounds):
                ratio = one / several
                mark = "" if ratio >= least else "  <"
                spent = f"{one * 1e6:7.0f} us {several * 1e6:8.0f} us"
                print(f"{label:48} {task.flops / 1e6:8.1f} {spent} {ratio:6.2f}{mark}", flush=True)
                ratios.append(ratio)
        if ratios:
            print(f"geometric mean {geometric_mean(ratios):.2f}, least {min(ratios):.2f}")
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_selection(parser)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--least", type=float, default=0.9, help="share of as many times faster that is not marked")
    return parser.parse_args(argv)


def times(task, threads, rounds):
    """(name, seconds on one thread, seconds on `threads`) of each way that fastconv has to do a task."""
    from _peers import clock, ours

    import fastconv

    def on(count, call):
        def run():
            fastconv.set_num_threads(count)
            return call()

        return run

    for way in ours.contenders(task, "auto"):
        label = task.name + way.name.removeprefix("fastconv")
        seconds = clock.alternate({count: on(count, way.call) for count in (1, threads)}, rounds)
        yield label, seconds[1], seconds[threads]


if __name__ == "__main__":
    sys.exit(main())
