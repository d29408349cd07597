"""The folder of one run: who uses it, where its parts listen. Everything that survives a restart lies under it.

`endpoints.json` is for tools: it appears when every role is ready, always tells of ready roles, and goes with a clean
stop. The lock is the kernel's, so a killed supervisor leaves none behind.
"""

import fcntl
import os
from pathlib import Path
from typing import IO, Any

import orjson

from streams.errors import StateError

__all__ = ["RunFolder"]


class RunFolder:
    """The paths and the lock of a data folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: IO[str] | None = None

    @property
    def endpoints_path(self) -> Path:
        """Where tools look for the addresses."""
        return self.path / "endpoints.json"

    @property
    def broker_path(self) -> Path:
        """The own broker's data."""
        return self.path / "kafka"

    @property
    def feature_repo_path(self) -> Path:
        """The run's feature repo; a worker prepares it before it is ready."""
        return self.path / "feature_repo"

    def log_path(self, name: str) -> Path:
        """The log of one role process."""
        return self.path / "logs" / f"{name}.log"

    def lock(self) -> None:
        """Take the folder for this process. Raises StateError when another `up` has it, or it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "up.lock").open("a+")
        except OSError as error:
            raise StateError(
                f"{self.path}: cannot be used as a data folder ({error.strerror}); "
                "a writable folder is needed; choose another --data-dir"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise StateError(
                f"{self.path}: in use by another `freshrank up` (pid {owner}); one run per folder is needed; "
                "stop that one, or choose another --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        self.remove_endpoints()

    def unlock(self) -> None:
        """Let the folder go."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def write_endpoints(self, endpoints: dict[str, Any]) -> None:
        """Replace endpoints.json, in one step."""
        aside = self.path / ".endpoints.json"
        aside.write_bytes(orjson.dumps(endpoints, option=orjson.OPT_INDENT_2))
        aside.replace(self.endpoints_path)

    def remove_endpoints(self) -> None:
        """Nothing listens any more."""
        self.endpoints_path.unlink(missing_ok=True)
