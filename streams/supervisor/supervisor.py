"""Watches the broker and the roles of one run: starts again what died, and keeps endpoints.json true.

It knows processes and addresses, not what the roles do. A role is ready when its own `/health` says so; endpoints.json
first appears when all are, and an entry changes when the role that restarted is ready again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from streams.observability.status_reader import is_healthy
from streams.observability.web import RunFile, read_run_file, run_file_path
from streams.supervisor.role_process import RoleProcess
from streams.supervisor.run_folder import RunFolder

__all__ = ["BrokerPart", "Supervisor"]

_TICK_S = 0.05
# Long enough to finish a chunk or a fine-tune step; whoever takes longer loses nothing by being killed.
_STOP_S = 8.0


class BrokerPart(Protocol):
    """An own broker as the supervisor sees it."""

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        ...

    @property
    def pid(self) -> int | None:
        """Of its process; None while it is down."""
        ...

    def keep_alive(self) -> str | None:
        """Start it again if it died, and say so; may block until it answers."""
        ...

    def stop(self) -> None:
        """Stop it in order."""
        ...


@dataclass(slots=True)
class _Watched:
    """A role process and what was last known of it."""

    process: RoleProcess
    run_file: Path
    ready: RunFile | None = None


class Supervisor:
    """Keeps `roles` (in stop order) and `broker` alive. All methods belong to one thread, the one that starts them."""

    def __init__(
        self,
        *,
        folder: RunFolder,
        bootstrap_servers: str,
        feature_repo: Path,
        roles: Sequence[RoleProcess],
        broker: BrokerPart | None,
        say: Callable[[str], None],
        stop_s: float = _STOP_S,
    ) -> None:
        self._folder, self._bootstrap_servers, self._feature_repo = folder, bootstrap_servers, feature_repo
        self._roles = [_Watched(role, run_file_path(folder.path, role.name)) for role in roles]
        self._broker, self._say, self._stop_s = broker, say, stop_s
        self._written: dict[str, Any] | None = None

    @property
    def is_ready(self) -> bool:
        """True once every role has been ready: endpoints.json is there."""
        return self._written is not None

    @property
    def role_urls(self) -> dict[str, str]:
        """Base address of each ready role process, by name."""
        return {w.process.name: w.ready.url for w in self._roles if w.ready is not None}

    def run(
        self, stop: Event, *, when_ready: Callable[[], None] | None = None, on_tick: Callable[[], None] | None = None
    ) -> None:
        """Start the roles and watch until `stop` is set; then stop everything in order.

        `when_ready` is called once, `on_tick` at each look, both from this thread.
        """
        try:
            for watched in self._roles:
                watched.run_file.unlink(missing_ok=True)
                watched.process.start()
            announce = when_ready
            while not stop.wait(_TICK_S):
                self.tick()
                if announce is not None and self.is_ready:
                    announce()
                    announce = None
                if on_tick is not None:
                    on_tick()
        finally:
            self.stop()

    def tick(self) -> None:
        """One look at everything: restart what died, see who became ready, rewrite endpoints.json if it changed."""
        if self._broker is not None and (news := self._broker.keep_alive()):
            self._say(news)
        for watched in self._roles:
            ended = watched.process.tick()
            if ended is not None:
                self._say(str(ended))
            self._look_if_ready(watched)
        self._write_endpoints()

    def stop(self) -> None:
        """Stop worker, trainer and broker in this order; a role that does not end in time is killed."""
        self._folder.remove_endpoints()
        for role in dict.fromkeys(watched.process.role for watched in self._roles):
            peers = [watched.process for watched in self._roles if watched.process.role == role]
            for process in peers:
                process.terminate()
            for process in peers:
                if not process.wait(self._stop_s):
                    self._say(f"{process.name} did not stop within {self._stop_s:.0f} s and was killed")
        for watched in self._roles:
            watched.run_file.unlink(missing_ok=True)
        if self._broker is not None:
            self._broker.stop()

    def kill(self) -> None:
        """End all roles at once; `stop` then has nothing to wait for. Safe to call from a signal handler."""
        for watched in self._roles:
            watched.process.kill()

    def _look_if_ready(self, watched: _Watched) -> None:
        pid = watched.process.pid
        if pid is None or (watched.ready is not None and watched.ready.pid == pid):
            return
        found = read_run_file(watched.run_file)
        if found is not None and found.pid == pid and is_healthy(found.url):
            if watched.ready is not None:
                self._say(f"{watched.process.name} is ready again (pid {pid})")
            watched.ready = found

    def _write_endpoints(self) -> None:
        if any(watched.ready is None for watched in self._roles):
            return
        endpoints = self._endpoints()
        if endpoints != self._written:
            self._folder.write_endpoints(endpoints)
            self._written = endpoints

    def _endpoints(self) -> dict[str, Any]:
        pids: dict[str, list[int]] = {}
        metrics: dict[str, str] = {}
        if self._broker is not None and self._broker.pid is not None:
            pids["broker"] = [self._broker.pid]
        for watched in self._roles:
            if watched.ready is None:
                continue
            role = watched.process.role
            # The first process of a role goes by the role's name, further ones by their own (worker-1, …).
            metrics[watched.process.name if role in metrics else role] = f"{watched.ready.url}/metrics"
            pids.setdefault(role, []).append(watched.ready.pid)
        return {
            "bootstrap_servers": self._bootstrap_servers,
            "feature_repo": str(self._feature_repo),
            "metrics": metrics,
            "gateway": None,
            "pids": pids,
        }
