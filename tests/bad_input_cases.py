"""Bad input as data: one `Call` per line of a table, and the rows that every function has.

The classes, by number; each was a crash, a hang or a silently wrong result in some well-known library:

     1  a size of zero or below                       11  a dilated kernel beyond the padded input
     2  a size that is no integer, or too many        12  sizes whose arithmetic overflows 64 bits
     3  a zero in a dimension of the weight           13  arrays of more than 2**31 bytes or elements
     4  no batch, no channels, no pixels              14  bounds of adaptive windows computed in floats
     5  an empty grad_output                          15  wrong rank, ragged lists, foreign dtypes
     6  groups and channels that disagree             16  an `out` that cannot hold the result, or overlaps
     7  grad_output not of the forward's shape        17  absurd thread counts (`test_thread_counts.py`)
     8  input_size, weight_size of a wrong kind       18  mirrored padding wider than the image
     9  pooling indices outside their plane           19  a result too large for memory
    10  a window wholly in padding, NaN, -inf         20  a divisor or a norm of zero

CVE-2025-2953, CVE-2022-35935 to 36004 and CVE-2021-29512 to 29619 hold many of them. `Function` says what kinds of
arguments a function has, and `every` makes the rows that follow from the kinds alone.
"""

import inspect
import itertools
import math
import re
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

import fastconv

LONGEST_MESSAGE = 1000
NAN, INF = math.nan, math.inf


class Function(NamedTuple):
    """A function and its arguments by kind, with a call that works."""

    name: str
    rank: int
    valid: dict
    positive: tuple = ()  # sizes from 1 up, one for all axes or one for each
    natural: tuple = ()  # sizes from 0 up, likewise
    counts: tuple = ()  # single integers from 1 up
    names: tuple = ()  # strings
    flags: tuple = ()  # booleans
    arrays: tuple = ()  # arrays of floats
    ordered: tuple = ()  # arrays that are only compared, so that integers will do
    optional: tuple = ()  # arguments that may be None

    def find(self):
        return attrgetter(self.name)(fastconv)

    def error(self, number, what, raises, *says, **change):
        """A call that differs from the valid one by `change` and must raise, with `says` in its message."""
        return Call(number, what, self, {**self.valid, **change}, raises, says)

    def result(self, number, what, expected, **change):
        """A call that must return `expected`: an array, a list of arrays, a shape, or None for anything but zeros."""
        return Call(number, what, self, {**self.valid, **change}, None, (), expected)

    def either(self, number, what, raises, expected, **change):
        """A call that may raise, where memory does not suffice, or else must return `expected`."""
        return Call(number, what, self, {**self.valid, **change}, raises, (), expected)


class Call(NamedTuple):
    """One call and what must come of it: an exception with a message, or a result."""

    number: int  # of the class
    what: str
    function: Function
    arguments: dict
    raises: Any = None
    says: tuple = ()
    expected: Any = None

    def __str__(self):
        return f"{self.number}-{self.function.name}-{self.what}"

    def run(self):
        """Make the call; {"problem": None or what is wrong}."""
        try:
            problem = self._check_error() if self.raises else self._check_result()
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        return {"problem": problem}

    def _check_result(self):
        return self._compare(self.function.find()(**self.arguments))

    def _compare(self, result):
        if isinstance(self.expected, tuple):
            return None if result.shape == self.expected else f"shape {result.shape}, not {self.expected}"
        if self.expected is None:
            return None if np.any(result) else "nothing but zeros"
        pairs = zip(result, self.expected, strict=True) if type(self.expected) is list else [(result, self.expected)]
        for one, expected in pairs:
            np.testing.assert_array_equal(one, expected, strict=True)
        return None

    def _check_error(self):
        function = self.function.find()
        given = self.arguments.get("out")
        kept = given.copy() if isinstance(given, np.ndarray) else None
        problem = self._raised(function, self.arguments, self.says)
        if problem is None and kept is not None and not np.array_equal(given, kept, equal_nan=kept.dtype.kind == "f"):
            problem = "out was written to"
        if problem is None and "out" in inspect.signature(function).parameters and given is None:
            out = np.full_like(function(**self.function.valid), 77)
            problem = self._raised(function, {**self.arguments, "out": out}, (), ValueError)
            if np.any(out != 77):
                problem = "out was written to"
        return problem

    def _raised(self, function, arguments, says, *others):
        """What is wrong with how the call failed; an `out` beside a case may rightly be what is refused first."""
        kinds = self.raises if isinstance(self.raises, tuple) else (self.raises,)
        try:
            result = function(**arguments)
        except (*kinds, *others) as error:
            message = str(error)
        else:
            if self.expected is not None:
                return self._compare(result)
            return f"returned {type(result).__name__} of shape {np.shape(result)}"
        if not re.match(rf"([\w.]+\.)?{self.function.name.rpartition('.')[2]}: ", message):
            return f"the message does not begin with the function: {message[:LONGEST_MESSAGE]}"
        forms = message.partition(" must have shape ")[2].rpartition(", got")[0].split(" or ")
        if len(set(forms)) < len(forms):
            return f"the message names a form twice: {message[:LONGEST_MESSAGE]}"
        missing = [text for text in says if text not in message]
        if missing:
            return f"the message does not say {missing}: {message[:LONGEST_MESSAGE]}"
        return None if len(message) < LONGEST_MESSAGE else f"a message of {len(message)} characters"


def every(f):
    """The rows that each function has, from the kinds of its arguments: classes 1, 2, 12, 15 and 16."""
    yield f.result(0, "valid", None)
    yield from sizes_below_their_least(f)
    yield from sizes_of_a_wrong_kind(f)
    yield from sizes_beyond_64_bits(f)
    yield from foreign_arrays(f)
    if "out" in inspect.signature(f.find()).parameters:
        yield from unfit_outs(f)


def sizes_below_their_least(f):
    """Class 1."""
    some = (1,) * (f.rank - 1)
    for names, values in (
        (f.positive, (0, -1, -(10**30), np.int64(0), (*some, 0), (-2,) * f.rank)),
        (f.natural, (-1, -(10**30), np.int8(-1), (*some, -1))),
        (f.counts, (0, -1, -(10**30))),
    ):
        for name, value in itertools.product(names, values):
            yield f.error(1, f"{name}={value!r}", ValueError, name, **{name: value})


def sizes_of_a_wrong_kind(f):
    """Class 2."""
    itself = []
    itself.append(itself)
    neither = {
        "1.5": 1.5, "2.0": 2.0, "None": None, "nan": NAN, "inf": INF, "True": True, "numpy True": np.True_, "1j": 1j,
        "float32": np.float32(1), "0-d float": np.array(1.0), "bytes": b"11", "dict": {1: 1}, "set": {1, 2},
        "object": object(), "iterator": iter([1, 1]),
    }  # fmt: skip
    items = {"floats": 1.0, "nones": None, "strings": "1", "bools": True, "nans": NAN}
    for name in f.positive + f.natural:
        for what, value in neither.items():
            if value is not None or name not in f.optional:
                yield f.error(2, f"{name} {what}", TypeError, name, **{name: value})
        for what, item in items.items():
            yield f.error(2, f"{name} of {what}", TypeError, name, **{name: (item,) * f.rank})
        yield f.error(2, f"{name} float array", TypeError, name, **{name: np.ones(f.rank)})
        yield f.error(2, f"{name} string", (TypeError, ValueError), name, **{name: "11"})
        for length in {0, f.rank - 1, f.rank + 1, 1000} - {f.rank}:
            yield f.error(2, f"{name} of {length}", ValueError, name, **{name: [1] * length})
        yield f.error(2, f"{name} of 10**9", ValueError, name, **{name: range(1, 10**9)})
        yield f.error(2, f"{name} nested", (TypeError, ValueError), name, **{name: [[[1]] * f.rank] * f.rank})
        yield f.error(2, f"{name} in itself", (TypeError, ValueError), name, **{name: itself})
    for name in f.counts:
        for what, value in {**neither, "string": "1", "list": [1], "array": np.ones(1, int)}.items():
            if value is not None or name not in f.optional:
                yield f.error(2, f"{name} {what}", (TypeError, ValueError), name, **{name: value})
    for name in f.names:
        for what, value in {"3": 3, "bytes": b"zeros", "list": ["zeros"], "nan": NAN, "None": None}.items():
            if value is not None or name not in f.optional:
                yield f.error(2, f"{name} {what}", TypeError, name, **{name: value})
        for what, value in {"''": "", "nonsense": "nonsense", "Zeros": "Zeros", "of 10**6": "z" * 10**6}.items():
            yield f.error(2, f"{name} {what}", ValueError, name, **{name: value})
    for name in f.flags:
        for what, value in {"None": None, "2": 2, "string": "yes", "list": [], "nan": NAN, "array": np.ones(2)}.items():
            yield f.error(2, f"{name} {what}", TypeError, name, **{name: value})


def sizes_beyond_64_bits(f):
    """Class 12: values that no 64-bit integer holds, and those that do not survive one more addition.

    Python refuses to write out integers of more than 4300 digits, as a message does that says what it got.
    """
    values = {"2**62": 2**62, "2**63-3": 2**63 - 3, "2**63": 2**63, "10**30": 10**30, "10**5000": 10**5000}
    for name in f.positive + f.natural + f.counts:
        for what, value in values.items():
            yield f.error(12, f"{name} {what}", ValueError, name, **{name: value})
    for name in f.positive + f.natural:
        yield f.error(12, f"{name} each 10**30", ValueError, name, **{name: (10**30,) * f.rank})


def foreign_arrays(f):
    """Class 15."""
    for name in f.arrays + f.ordered:
        good = f.valid[name]
        ranks = {"0-d": np.float32(1), "1-d of none": np.ones(0, np.float32), "rank + 3": good[None, None, None]}
        if good.ndim > 1:
            ranks["1-d"] = good.ravel()
        for what, value in ranks.items():
            yield f.error(15, f"{name} {what}", ValueError, name, **{name: value})
        strange = {
            "ragged": [[1.0, 2.0], [3.0]], "text": "text", "list of text": np.full(good.shape, "1").tolist(),
            "object": good.astype(object), "string": good.astype(str), "bytes": good.astype(bytes), "bool": good > 0,
            "datetime": good.astype("datetime64[s]"), "timedelta": good.astype("timedelta64[s]"),
            "record": np.zeros(good.shape, [("a", "f4"), ("b", "f4")]), "complex64": good.astype(np.complex64),
            "longdouble": good.astype(np.longdouble), "dict": {"a": 1}, "module": np, "a function": np.sum,
            "uint32": good.astype(np.uint32),
        }  # fmt: skip
        if name not in f.optional:
            strange["None"] = None
        if name in f.arrays:
            strange |= {f"{kind}": good.astype(kind) for kind in ("int8", "uint8", "int32", "int64")}
        for what, value in strange.items():
            yield f.error(15, f"{name} {what}", (TypeError, ValueError), name, **{name: value})
    for name in f.arrays:
        yield f.error(15, f"{name} what to cast to", TypeError, "float32", **{name: f.valid[name].astype(int)})


def unfit_outs(f):
    """Class 16."""
    good = np.full_like(f.find()(**f.valid), 77)
    frozen = good.copy()
    frozen.flags.writeable = False
    shapes = {
        "longer": (good.shape[0] + 1, *good.shape[1:]), "shorter": (*good.shape[:-1], good.shape[-1] - 1), "0-d": (),
        "flat": (good.size,), "empty": (0, *good.shape[1:]), "deeper": (1, *good.shape),
        "of one": (1,) * good.ndim, "reversed": good.shape[::-1],
    }  # fmt: skip
    for what, shape in shapes.items():
        yield f.error(16, f"out {what}", ValueError, "out", str(good.shape), out=np.full(shape, 77, good.dtype))
    for kind in ("float64", "int32", "object", "complex64", "bool", ">f4", "S4"):
        yield f.error(16, f"out {kind}", (TypeError, ValueError), "out", out=good.astype(kind))
    yield f.error(16, "out read-only", ValueError, "out", "read-only", out=frozen)
    yield f.error(16, "out broadcast", ValueError, "out", out=np.broadcast_to(np.float32(77), good.shape))
    for what, value in {"list": good.tolist(), "0": 0, "True": True, "text": "out", "memory": memoryview(good)}.items():
        yield f.error(16, f"out {what}", TypeError, "out", out=value)
