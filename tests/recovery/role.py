"""Real role processes for tests: started, waited for, killed, paused."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from streams.settings import Settings

DEADLINE_S = 60.0


class Role:
    """One `freshrank worker` or `freshrank trainer` process."""

    def __init__(self, role: str, settings: Settings) -> None:
        self.role, self.settings = role, settings
        self._name = (settings.worker.instance_id or "worker") if role == "worker" else role
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start and wait until it is ready."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def log_path(self) -> Path:
        """Where the process writes its log."""
        return self.settings.data_dir / f"{self._name}.log"

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **self.settings.to_env()}
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", self.role], env=environment, stdout=log, stderr=log
            )
        self.wait_until(lambda status: status.get("ready", False))

    def status(self) -> dict[str, Any]:
        """What the process says of itself; empty while it cannot be asked."""
        try:
            found = orjson.loads((self.settings.data_dir / "run" / f"{self._name}.json").read_bytes())
            if self._process is None or found["pid"] != self._process.pid:
                return {}
            with urllib.request.urlopen(f"{found['url']}/status", timeout=5) as answer:
                return dict(orjson.loads(answer.read()))
        except (OSError, ValueError):
            return {}

    def wait_until(self, is_reached: Any) -> dict[str, Any]:
        """Ask for the status until it is as wanted; fails when the process ends or a minute passes."""
        end_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < end_s:
            status = self.status()
            if status and is_reached(status):
                return status
            assert self._process is not None
            assert self._process.poll() is None, self.log_path.read_text()[-4000:]
            time.sleep(0.02)
        raise AssertionError(f"{self.role} did not get there within {DEADLINE_S} s: {self.log_path.read_text()[-4000:]}")

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def signal(self, number: int) -> None:
        """Send a signal, such as SIGSTOP."""
        assert self._process is not None
        self._process.send_signal(number)
