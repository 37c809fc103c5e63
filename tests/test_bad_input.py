"""Bad arguments end in an exception that names function and argument: no crash, no hang, no half-written `out`.

Each case runs in a child process under limits of time and address space. The tables are the `bad_input_`
modules of families of functions; what the classes are says `bad_input_cases`.
"""

from functools import partial

import pytest

from tests import bad_input_conv, bad_input_grad, bad_input_others, bad_input_pool
from tests.child import GIB, Child
from tests.together import Failures

MEMORY = 6 * GIB
SECONDS = 10  # what a case may take; all take milliseconds
TABLES = (bad_input_conv, bad_input_pool, bad_input_grad, bad_input_others)

pytest.importorskip("resource", reason="limits of memory need POSIX")


@pytest.fixture(scope="module")
def children():
    """One child for each table, replaced when a case kills it."""
    running = {table: Child(f"{table.__name__}:CASES", MEMORY) for table in TABLES}
    yield running
    for child in running.values():
        child.close()


@pytest.mark.parametrize(
    ("table", "function"),
    [pytest.param(t, f, id=f) for t in TABLES for f in sorted({case.function.name for case in t.CASES})],
)
def test_calls(children, table, function):
    failures = Failures()
    for index, case in enumerate(table.CASES):
        if case.function.name == function:
            failures.attempt(case, partial(check, children[table], index))
    failures.show()


def check(child, index):
    answer = child.ask(index, SECONDS)
    assert "died" not in answer, answer["died"]
    assert answer["problem"] is None, answer["problem"]
