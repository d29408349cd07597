"""Real role processes for tests: started, waited for, killed, paused."""

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.clock import SystemClock
from streams.observability.status_reader import read_samples, read_status
from streams.observability.web import read_run_file, run_file_path
from streams.settings import Settings
from tests.recovery.role_nursery import Forked, RoleNursery

DEADLINE_S = 120.0
STOP_S = 20.0
POLL_S = 0.03


class Role:
    """One `freshrank worker` or `freshrank trainer` process: forked by a nursery, or, without one, started anew.

    `env`: more of the environment of one that is started anew.
    """

    def __init__(
        self, role: str, settings: Settings, nursery: RoleNursery | None = None, *, env: Mapping[str, str] | None = None
    ) -> None:
        self.role, self.settings, self._nursery, self._env = role, settings, nursery, env or {}
        self._name = (settings.worker.instance_id or "worker") if role == "worker" else role
        self.num_restarts = 0
        self._process: subprocess.Popen[bytes] | Forked | None = None

    def __enter__(self) -> Self:
        """Start and wait until it is ready."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it, whatever state it is in."""
        self.stop()

    def stop(self) -> None:
        """SIGTERM, and kill -9 when that takes too long."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def log_path(self) -> Path:
        """Where the process writes its log."""
        return self.settings.data_dir / f"{self._name}.log"

    @property
    def log(self) -> str:
        """What it logged so far."""
        return self.log_path.read_text()

    @property
    def process(self) -> "subprocess.Popen[bytes] | Forked":
        """The process started last."""
        assert self._process is not None
        return self._process

    @property
    def url(self) -> str:
        """Where it answers; empty while it does not."""
        found = read_run_file(run_file_path(self.settings.data_dir, self._name))
        return found.url if found is not None and self._process and found.pid == self._process.pid else ""

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        self.launch()
        self.wait_until(lambda status: status["ready"])

    def launch(self) -> None:
        """Start the process; it may take its time, or fail."""
        if self._nursery is not None:
            self._process = Forked(self._nursery, self.role, self.settings, self.log_path)
            return
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", self.role],
                env={**self.settings.child_env(), **self._env},
                stdout=log,
                stderr=log,
            )

    def status(self) -> dict[str, Any]:
        """What the process says of itself; empty while it cannot be asked."""
        return read_status(self.url) or {}

    def counters(self) -> dict[tuple[str, str], float]:
        """Counters of /metrics that are not zero: (name without prefix and suffix, its label or "") -> value."""
        return {
            (sample.name.removeprefix("freshrank_").removesuffix("_total"), ",".join(sample.labels.values())): value
            for sample in read_samples(self.url)
            if sample.name.startswith("freshrank_") and sample.name.endswith("_total") and (value := sample.value)
        }

    def wait_until(self, is_reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask for the status until it is as wanted; fails when the process ends or `DEADLINE_S` passes."""
        clock = SystemClock()
        end_s = clock.monotonic_s() + DEADLINE_S
        while clock.monotonic_s() < end_s:
            status = self.status()
            if status and is_reached(status):
                return status
            try:
                self.process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"{self.role} ended with {self.process.returncode}: {self.log[-4000:]}")
        raise AssertionError(f"{self.role} did not get there within {DEADLINE_S} s: {self.log[-4000:]}")

    def keep_alive_until(self, is_reached: Callable[[dict[str, Any]], bool]) -> None:
        """As `wait_until`, but starts the process again whenever it ends, as its supervisor would."""
        clock = SystemClock()
        end_s = clock.monotonic_s() + DEADLINE_S
        while not ((status := self.status()) and is_reached(status)):
            assert clock.monotonic_s() < end_s, self.log[-4000:]
            try:
                self.process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                continue
            self.num_restarts += 1
            self.launch()

    def ended(self) -> int:
        """Wait until the process ends by itself; its exit code."""
        return self.process.wait(DEADLINE_S)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def signal(self, number: int) -> None:
        """Send a signal, such as SIGSTOP."""
        self.process.send_signal(number)
