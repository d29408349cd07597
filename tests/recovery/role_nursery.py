"""A process that has imported what roles need and forks one when asked: `python -m tests.recovery.role_nursery`.

Imports take seconds of a core for each role that starts, and most kills would meet a role that still imports. What it
forks are real roles otherwise: processes of their own with a log, run by the command line and ended as it ends, which
die with the nursery. Lines of JSON in, lines of JSON out.
"""

import ctypes
import gc
import inspect
import json
import os
import select
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.settings import CatalogueFields, Settings

_PR_SET_PDEATHSIG = 1
# Also what a role imports only while it starts. Ours come first: they switch off the checks that make Feast slow.
_IMPORTED = (
    "streams.cli",
    "streams.features.feast_history",
    "streams.features.feast_redis",
    "streams.features.feast_store",
    "streams.training.agents",
    "streams.worker.agents",
    "faust.assignor.partition_assignor",
    "faust.tables.manager",
    "faust.worker",
    "feast.infra.compute_engines.local.compute",
    "feast.infra.offline_stores.dask",
    "feast.infra.passthrough_provider",
    "feast.infra.registry.file",
    "feast.repo_operations",
    "torch._dynamo",
)
ROOT = Path(__file__).parents[2]


class RoleNursery:
    """Starts roles and tells how they ended. A process id stays taken until its end was told."""

    def __enter__(self) -> Self:
        """Start importing; the first `start` waits for it."""
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and every role with it."""
        self._process.kill()
        self._process.communicate()

    def start(self, role: str, settings: Settings, log: Path) -> int:
        """Start a role; returns its process id."""
        log.parent.mkdir(parents=True, exist_ok=True)
        return int(self._ask({"role": role, "env": settings.child_env(), "log": str(log)}))

    def ended(self, pid: int) -> int | None:
        """How the process ended, negative for a signal; None while it runs. An end is told once."""
        status = self._ask({"pid": pid})
        return None if status is None else int(status)

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery is gone"
        return json.loads(answer)


class Forked:
    """A role of the nursery, to be used as a `subprocess.Popen` is."""

    def __init__(self, nursery: RoleNursery, role: str, settings: Settings, log: Path) -> None:
        self._nursery = nursery
        self.pid = nursery.start(role, settings, log)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        if self.returncode is None:
            self.returncode = self._nursery.ended(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Raises TimeoutExpired."""
        if self.returncode is None:
            end = os.pidfd_open(self.pid)
            try:
                has_ended, _, _ = select.select([end], [], [], timeout)
            finally:
                os.close(end)
            if not has_ended:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        status = self.poll()
        assert status is not None
        return status

    def send_signal(self, number: int) -> None:
        """Nothing happens to one that has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _import_roles() -> None:
    for name in _IMPORTED:
        import_module(name)
    from streams.features.capture import compile_capture

    compile_capture(CatalogueFields())
    # For its first agent Faust has the files of all modules looked up.
    inspect.getmodule(None, "any")
    gc.freeze()


def _fork(role: str, env: dict[str, str], log: str) -> int:
    """The process id of the role; the role itself never returns."""
    pid = os.fork()
    if pid:
        return pid
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(number, target)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["freshrank", role]
    from streams.cli import main as freshrank

    freshrank()
    sys.exit()


def main() -> None:
    """Answer until the input ends."""
    _import_roles()
    for line in sys.stdin:
        request = json.loads(line)
        if "role" in request:
            answer: int | None = _fork(request["role"], request["env"], request["log"])
        else:
            pid, status = os.waitpid(request["pid"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
