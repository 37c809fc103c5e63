"""One task measured: every contender verified, then timed in turns."""

from dataclasses import dataclass

from .clock import alternate
from .machine import gemm
from .task import WITHOUT_WEIGHTS, Task


@dataclass(frozen=True)
class Result:
    """Seconds and error (in eps of |x| conv |w|) of each contender of a task, and the rate of BLAS beside them."""

    task: Task
    seconds: dict
    errors: dict
    wrong: tuple
    ours: tuple
    ready: frozenset
    gemm_rate: float | None

    def best_peer(self, name):
        """The fastest peer that was right; peers with prepared weights only against prepared weights."""
        rivals = {
            peer: seconds
            for peer, seconds in self.seconds.items()
            if peer not in self.ours and peer not in self.wrong and (peer not in self.ready or name in self.ready)
        }
        return min(rivals, key=rivals.get, default=None)

    def ratio(self, name, peer=None):
        """How many times faster than a peer, the best one unless named; None where there is none."""
        peer = peer or self.best_peer(name)
        return None if peer is None else self.seconds[peer] / self.seconds[name]

    def rate(self, name):
        """GFLOP/s, counted as the direct computation's operations."""
        return self.task.flops / self.seconds[name] / 1e9


def measure(task, contenders, method, rounds):
    """Verify and time all contenders of one task; the matrix product takes its turns among them."""
    verdicts = {c.name: task.verify(c, method) for c in contenders}
    calls = {c.name: c.call for c in contenders}
    product, flops = gemm(task.dtype)
    if task.op not in WITHOUT_WEIGHTS:
        calls["gemm"] = product
    seconds = alternate(calls, rounds)
    spent = seconds.pop("gemm", None)
    return Result(
        task,
        seconds,
        {name: error for name, (error, _) in verdicts.items()},
        tuple(name for name, (_, wrong) in verdicts.items() if wrong),
        tuple(c.name for c in contenders if c.ours),
        frozenset(c.name for c in contenders if c.weights_ready),
        spent and flops / spent / 1e9,
    )
