"""Time fastconv against the others on the same work: `python asv_bench/peers.py --family 3x3 --threads 1`.

All contenders take turns in one process and the median counts. Every result is verified against float64 first; a
contender that is wrong takes no part, and if it is fastconv the exit code is 1. Peers are timed in each of their
memory layouts and the best one counts. A peer that is not installed is named, with what to install.
"""

import argparse
import os
import sys

from _peers import options


def main(argv=None):
    arguments = parse(argv)
    from benchmarks import THREAD_VARIABLES

    for variable in THREAD_VARIABLES:  # libraries read these when they are loaded, so nothing is imported before
        os.environ[variable] = str(arguments.threads)
    return run(arguments)


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_selection(parser)
    parser.add_argument("--method", default="auto", help="fastconv's method (default: auto)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--plot", metavar="PNG", help="draw a roofline")
    return parser.parse_args(argv)


def run(arguments):
    from _peers import machine, ours
    from _peers.families import FAMILIES
    from _peers.report import family_table, overview
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 220)
    objection = options.objection(arguments.family)
    if objection:
        console.print(objection)
        return 2
    peers, missing = machine.load_peers()
    machine.set_threads(arguments.threads, [ours, *peers])
    header = machine.describe(arguments.threads)
    console.print(header, *missing, "", sep="\n", highlight=False)
    measured = {}
    for name in arguments.family or FAMILIES:
        results = family_results(FAMILIES[name], arguments, ours, peers)
        if results:
            measured[name] = results
            console.print(family_table(name, results), highlight=False)
        else:
            console.print(f"{name}: no such layer\n")
    if len(measured) > 1:
        console.print(overview(measured), highlight=False)
    if arguments.plot and measured:
        from _peers import roofline

        roofline.draw(arguments.plot, measured, machine.bandwidths(arguments.rounds), header)
        console.print(f"roofline drawn in {arguments.plot}")
    wrong = [r.task.name for results in measured.values() for r in results if set(r.wrong) & set(r.ours)]
    if wrong:
        console.print(f"[red]fastconv's result exceeds its error bound: {', '.join(wrong)}")
    return 1 if wrong else 0


def family_results(family, arguments, ours, peers):
    """The results of a family, layer by layer."""
    from _peers.families import tasks
    from _peers.measure import measure

    results = []
    for task in tasks(family, arguments.layer, arguments.dtype, arguments.layout):
        others = (peer for peer in peers if peer.__name__.rpartition(".")[2] not in family.without)
        contenders = [*ours.contenders(task, arguments.method), *(c for peer in others for c in peer.contenders(task))]
        results.append(measure(task, contenders, arguments.method, arguments.rounds))
    return results


if __name__ == "__main__":
    sys.exit(main())
