"""A role's small web server on 127.0.0.1: `/metrics` for Prometheus, `/health` for restarts, `/status` for people.

It only reports: state comes from callables, so that it knows no role. While it listens,
`<data_dir>/run/<name>.json` says where, written aside and renamed, so that no reader ever sees half of it.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["RoleServer", "RunFile", "read_run_file", "run_file_path"]

_HOST = "127.0.0.1"
_SHUTDOWN_S = 0.5


@dataclass(frozen=True, slots=True)
class RunFile:
    """Where a running role can be asked. `url` ends without a slash."""

    role: str
    pid: int
    url: str


def run_file_path(data_dir: Path, name: str) -> Path:
    """The file that says where the role process `name` (`worker-0`, `trainer`) listens."""
    return data_dir / "run" / f"{name}.json"


def read_run_file(path: Path) -> RunFile | None:
    """The content of a run file; None when there is none, or it is not one of ours."""
    try:
        found = json.loads(path.read_text())
        return RunFile(role=str(found["role"]), pid=int(found["pid"]), url=str(found["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


class RoleServer:
    """Serves a role's metrics, health and status while it is entered: `async with RoleServer(...) as server`.

    `is_ready` and `status` are called on each request, on the event loop: they must be quick. `role` and `ready` are
    added to the status. Port 0 takes any free one. Raises OSError when the port is taken.
    """

    def __init__(
        self,
        *,
        name: str,
        role: str,
        data_dir: Path,
        registry: CollectorRegistry,
        is_ready: Callable[[], bool],
        status: Callable[[], Mapping[str, Any]],
        port: int = 0,
    ) -> None:
        self._role, self._registry, self._port = role, registry, port
        self._is_ready, self._status = is_ready, status
        self._path = run_file_path(data_dir, name)
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        """Listen and write the run file."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the run file and stop listening."""
        await self.stop()

    async def start(self) -> None:
        """Listen and write the run file."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._get_metrics),
                web.get("/health", self._get_health),
                web.get("/status", self._get_status),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, self._port).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        _write_json(self._path, asdict(RunFile(self._role, os.getpid(), self.url)))

    async def stop(self) -> None:
        """Remove the run file, if it is still this process's, and stop listening."""
        if self._runner is None:
            return
        found = read_run_file(self._path)
        if found is not None and found.pid == os.getpid():
            self._path.unlink(missing_ok=True)
        await self._runner.cleanup()
        self._runner = None

    async def _get_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _get_health(self, _request: web.Request) -> web.Response:
        is_ready = self._is_ready()
        body = {"role": self._role, "ready": is_ready}
        return _json_response(body, status=200 if is_ready else 503)

    async def _get_status(self, _request: web.Request) -> web.Response:
        return _json_response({"role": self._role, "ready": self._is_ready(), **self._status()})


def _json_response(body: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(dict(body)), status=status, content_type="application/json")


def _write_json(path: Path, body: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    aside.write_bytes(orjson.dumps(dict(body)))
    aside.replace(path)
