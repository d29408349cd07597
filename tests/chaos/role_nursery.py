"""A process that has imported what roles need and forks one when asked: `python -m tests.chaos.role_nursery`.

Imports take seconds of a core; without this most kills would meet a role that still imports. What it forks are real
roles otherwise: processes of their own with a log, which die with the nursery. Lines of JSON in, lines of JSON out.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.settings import Settings

_PR_SET_PDEATHSIG = 1
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


def _import_roles() -> None:
    import streams.features.feast_redis
    import streams.features.feast_store
    import streams.training.agents
    import streams.training.runtime
    import streams.worker.agents
    import streams.worker.runtime  # noqa: F401  # imported for the children


def _fork(role: str, env: dict[str, str], log: str) -> int:
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
    from streams.app import run_trainer, run_worker

    try:
        (run_worker if role == "worker" else run_trainer)(Settings())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


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
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
