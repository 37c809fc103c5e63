"""Docstrings that are written once for functions of one to three axes."""

from collections.abc import Callable
from typing import Any, TypeVar

Front = TypeVar("Front", bound=Callable[..., Any])


def documented(rank: int, text: str, **words: Any) -> Callable[[Front], Front]:
    """Decorator: `text` for one rank, the names in its braces replaced by these and by `words`."""
    axes = "dhw"[3 - rank :]
    words |= {
        "rank": rank,
        "axes": "one axis" if rank == 1 else f"{rank} axes",
        "size": ", ".join(axes),
        "kernel": ", ".join(f"k{axis}" for axis in axes),
        "out": ", ".join(f"o{axis}" for axis in axes),
        "twos": ", ".join("2" * rank),
        "threes": ", ".join("3" * rank),
        "fours": ", ".join("4" * rank),
        "zeros": ", ".join("0" * (rank + 1)),  # the index of a row
    }

    def decorate(front):
        front.__doc__ = text.format(**words)
        return front

    return decorate
