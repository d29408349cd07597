"""One role as a child process that is started again whenever it ends, however often that is.

It decides when, not why: a role that cannot start says so in its log. The child gets a session of its own, so that
Ctrl-C reaches only the supervisor; it is tethered (tether.py), so that it dies with a supervisor that is killed. The
tether is held by the thread that calls `start`: that thread must live as long as the run.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.clock import Clock

__all__ = ["Backoff", "Ended", "RoleProcess"]

_TETHER = Path(__file__).with_name("tether.py")
_LOG_MAX_BYTES = 16 << 20
_LOG_TAIL_BYTES = 64 << 10
_LAST_LINES = 20
_WORDS_MAX = 200


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next start: doubling, and forgotten after a healthy run."""

    first_s: float = 0.2
    longest_s: float = 5.0
    healthy_s: float = 60.0
    _next_s: float = 0.0

    def after_run(self, ran_s: float) -> float:
        """Seconds to wait after a run of `ran_s` seconds."""
        if self._next_s == 0.0 or ran_s >= self.healthy_s:
            self._next_s = self.first_s
        delay_s = self._next_s
        self._next_s = min(2 * delay_s, self.longest_s)
        return delay_s


@dataclass(frozen=True, slots=True)
class Ended:
    """A role's process ended by itself. `status` as subprocess gives it: negative for a signal."""

    name: str
    status: int
    ran_s: float
    restart_in_s: float
    last_line: str

    def __str__(self) -> str:
        """One line for a person."""
        how = f"signal {-self.status}" if self.status < 0 else f"exit code {self.status}"
        said = f" ({self.last_line})" if self.last_line and self.status > 0 else ""
        return f"{self.name} ended with {how} after {self.ran_s:.1f} s{said}; next start in {self.restart_in_s:.1f} s"


class RoleProcess:
    """`argv` as a child that lives on. Call `tick` often; it never blocks. Output goes to `log_path`."""

    def __init__(
        self,
        *,
        name: str,
        role: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        log_path: Path,
        clock: Clock,
        backoff: Backoff | None = None,
    ) -> None:
        self.name, self.role, self.log_path = name, role, log_path
        self._argv, self._env, self._clock = list(argv), dict(env), clock
        self._backoff = backoff or Backoff()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at_s = 0.0
        self._restart_at_s = 0.0

    @property
    def pid(self) -> int | None:
        """Of the running process; None while there is none."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process now."""
        _rotate(self.log_path)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_TETHER), str(os.getpid()), *self._argv],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started_at_s = self._clock.monotonic_s()

    def tick(self) -> Ended | None:
        """Notice an end (returned once), or start again when the wait is over."""
        now_s = self._clock.monotonic_s()
        if self._process is None:
            if now_s >= self._restart_at_s:
                self.start()
            return None
        status = self._process.poll()
        if status is None:
            return None
        ran_s = now_s - self._started_at_s
        delay_s = self._backoff.after_run(ran_s)
        self._process, self._restart_at_s = None, now_s + delay_s
        return Ended(self.name, status, ran_s, delay_s, _last_line(self.log_path))

    def terminate(self) -> None:
        """Ask the process to end; `tick` must not be called any more."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once, and take its leftovers with it."""
        self._signal(signal.SIGKILL)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end after `terminate`; killed when it takes longer. True when it ended by itself."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
            return False
        finally:
            self._process = None
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def _rotate(path: Path) -> None:
    """Keep one older log beside a fresh one, so that a role in trouble for days does not fill the disk."""
    if path.exists() and path.stat().st_size > _LOG_MAX_BYTES:
        path.replace(path.with_suffix(".log.1"))


def _last_line(path: Path) -> str:
    """What a log says last, cut to a readable length: the newest error of its last lines, else the last line."""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _LOG_TAIL_BYTES))
        lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
    last = [line for line in lines if line][-_LAST_LINES:]
    errors = filter(None, map(_error_of, reversed(last)))
    return next(errors, last[-1] if last else "")[:_WORDS_MAX]


def _error_of(line: str) -> str:
    """The error that one of our JSON lines carries; nothing for any other line."""
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    trace = str(found.get("exception", "")) if isinstance(found, dict) else ""
    return trace.strip().splitlines()[-1] if trace.strip() else ""
