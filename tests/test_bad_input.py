"""Bad arguments end in an exception that names function and argument: no crash, no hang, no half-written `out`.

Each case runs in a child process under limits of time and address space. The tables are the `bad_input_`
modules of families of functions; what the classes are says `bad_input_cases`.
"""

import pytest

from tests import bad_input_conv, bad_input_grad, bad_input_others, bad_input_pool
from tests.child import GIB, Child

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
    ("table", "index"),
    [pytest.param(t, i, id=str(case)) for t in TABLES for i, case in enumerate(t.CASES)],
)
def test_call(children, table, index):
    case = table.CASES[index]
    answer = children[table].ask(index, SECONDS)
    assert "died" not in answer, f"{case}: {answer['died']}"
    assert answer["problem"] is None, f"{case}: {answer['problem']}"
