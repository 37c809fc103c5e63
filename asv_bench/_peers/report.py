"""Tables: one for each family, a row for each layer, a column for each contender."""

from statistics import geometric_mean

from rich import box
from rich.table import Table


def family_table(name, results):
    """Milliseconds (GFLOP/s) of each contender, ratio to the best peer, share of the matrix product's rate, errors."""
    contenders = list(dict.fromkeys(contender for result in results for contender in result.seconds))
    ours = [contender for contender in contenders if any(contender in result.ours for result in results)]
    table = Table(title=f"{name}: ms (GFLOP/s)", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("layer", no_wrap=True)
    for heading in (*contenders, *(f"{o} / best peer" for o in ours), "of gemm", "error eps", "peers' eps"):
        table.add_column(heading, justify="right")
    for result in results:
        style = "red" if ours[0] in result.wrong else None
        table.add_row(result.task.name, *cells(result, contenders, ours), style=style)
    table.add_section()
    add_summary(table, results, contenders, ours)
    return table


def cells(result, contenders, ours):
    times = [time_cell(result, contender) for contender in contenders]
    ratios = [ratio_cell(result.ratio(o)) if o in result.seconds else "" for o in ours]
    share = f"{result.rate(ours[0]) / result.gemm_rate:.0%}" if result.gemm_rate else ""
    peers = [error for contender, error in result.errors.items() if contender not in result.ours]
    return [*times, *ratios, share, f"{result.errors[ours[0]]:.1f}", f"{max(peers):.1f}" if peers else ""]


def time_cell(result, contender):
    if contender not in result.seconds:
        return ""
    text = f"{result.seconds[contender] * 1e3:.3g} ({result.rate(contender):.3g})"
    if contender in result.wrong:
        return f"{text} wrong"
    return f"[bold]{text}[/bold]" if contender == result.best_peer(contender) else text


def ratio_cell(ratio):
    if ratio is None:
        return "no peer"
    return f"[{'green' if ratio >= 1 else 'yellow'}]{ratio:.2f}[/]"


def add_summary(table, results, contenders, ours):
    """How many times faster than each peer, and than the best of each layer: geometric means and the worst layer."""
    first = ours[0]
    means = ["" if c in ours else number(mean(results, first, c)) for c in contenders]
    over_best = [number(mean(results, o)) for o in ours]
    table.add_row(f"{first}: times faster (geometric mean)", *means, *over_best, "", "", "")
    lows = [min((r.ratio(o) for r in results if o in r.seconds and r.best_peer(o)), default=None) for o in ours]
    table.add_row("worst layer", *("" for _ in contenders), *map(number, lows), worst_share(results, first), "", "")


def overview(measured):
    """A row for each family, as Markdown: how many times faster than the best peer of each layer, and where least."""
    table = Table(box=box.MARKDOWN)
    for heading in ("family", "times faster than the best peer", "least", "on the layer"):
        table.add_column(heading, justify="left" if heading in ("family", "on the layer") else "right", no_wrap=True)
    for name, results in measured.items():
        for ours in dict.fromkeys(contender for result in results for contender in result.ours):
            known = [r for r in results if ours in r.seconds and r.best_peer(ours)]
            if known:
                least = min(known, key=lambda r, ours=ours: r.ratio(ours))
                row = number(mean(results, ours)), number(least.ratio(ours)), least.task.name
                table.add_row(f"{name}{ours.removeprefix('fastconv')}", *row)
    return table


def mean(results, name, peer=None):
    known = [r for r in results if name in r.seconds and (peer in r.seconds if peer else r.best_peer(name))]
    return geometric_mean(r.ratio(name, peer) for r in known) if known else None


def worst_share(results, name):
    shares = [r.rate(name) / r.gemm_rate for r in results if r.gemm_rate]
    return f"{min(shares):.0%}" if shares else ""


def number(value):
    return "" if value is None else f"{value:.2f}"
