"""Child processes with limits, so that a crash or a hang of compiled code is one failure and not the end of the run.

`Child` keeps one process that answers a line with a line: a question is the index of a case in a table, the answer says
what came of it in JSON. A case that kills the process or keeps it busy for too long is known by name, and the next case
gets a new process. `script` runs a few lines of Python once.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GIB = 1 << 30


class Child:
    """A process that runs cases of `table`, written "module:attribute", under limits of time and address space."""

    def __init__(self, table, memory):
        self.table, self.memory, self.process = table, memory, None

    def ask(self, index, seconds):
        """Run case `index`; its answer as a dictionary, or {"died": why}."""
        if self.process is None:
            self._start()
        self.process.stdin.write(b"%d\n" % index)
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else b""
        if line:
            return json.loads(line)
        if not ready:
            self.process.send_signal(signal.SIGABRT)  # faulthandler then says where it was
        code = self._wait()
        why = f"no answer within {seconds} s" if not ready else f"the process ended with code {code}"
        self.errors.seek(0)
        trace = self.errors.read()[-3000:].decode(errors="replace")
        self.close()
        return {"died": f"{why}\n{trace}"}

    def _start(self):
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.child", self.table, str(self.memory)]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115, closed with the process
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0
        )

    def _wait(self):
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self._wait()
            self.process.stdout.close()
            self.errors.close()
            self.process = None


def script(code, *, seconds=60, environment=(), flags=()):
    """What a fresh interpreter prints when it runs `code`, with some environment variables set or (None) unset.

    Warnings are errors there too. The result is a `CompletedProcess` with text output; a hang is `TimeoutExpired`.
    """
    variables = {**os.environ, **dict(environment)}
    variables = {name: value for name, value in variables.items() if value is not None}
    return subprocess.run(
        [sys.executable, *(flags or ("-W", "error")), "-c", code],
        cwd=ROOT, env=variables, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip


def output(code, **options):
    """The output of `script`, which must succeed."""
    done = script(code, **options)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr[-3000:]}"
    return done.stdout.strip()


def _limit(memory):
    import resource  # POSIX only

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _serve(table, memory):
    """Answer on what was standard output, which is kept clear of anything a case may print."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    module, _, attribute = table.partition(":")
    cases = getattr(import_module(module), attribute)
    _limit(memory)
    for line in sys.stdin:
        answers.write(json.dumps(cases[int(line)].run()).encode() + b"\n")


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("error")
    _serve(sys.argv[1], int(sys.argv[2]))
