"""A role's web server: what it answers, and the file that says where it is."""

import asyncio
import json
import os
from pathlib import Path

import aiohttp
import pytest

from streams.observability.metrics import WorkerMetrics
from streams.observability.status_reader import is_healthy, read_samples, read_status, sum_of
from streams.observability.web import RoleServer, RunFile, read_run_file, run_file_path


class Role:
    """The little that a role tells its server."""

    def __init__(self, data_dir: Path) -> None:
        self.is_ready = False
        self.metrics = WorkerMetrics()
        self.server = RoleServer(
            name="worker-0",
            role="worker",
            data_dir=data_dir,
            registry=self.metrics.registry,
            is_ready=lambda: self.is_ready,
            status=lambda: {"model_version": 3},
        )


async def _get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_health_turns_from_503_to_200_when_the_role_is_ready(tmp_path: Path) -> None:
    role = Role(tmp_path)
    async with role.server as server:
        before = await _get(f"{server.url}/health")
        role.is_ready = True
        after = await _get(f"{server.url}/health")

    assert (before[0], json.loads(before[1])) == (503, {"role": "worker", "ready": False})
    assert (after[0], json.loads(after[1])) == (200, {"role": "worker", "ready": True})


async def test_status_adds_role_and_ready_to_what_the_role_says(tmp_path: Path) -> None:
    async with Role(tmp_path).server as server:
        status, body = await _get(f"{server.url}/status")

    assert (status, json.loads(body)) == (200, {"role": "worker", "ready": False, "model_version": 3})


async def test_metrics_are_prometheus_text(tmp_path: Path) -> None:
    role = Role(tmp_path)
    role.metrics.duplicates.inc(2)
    async with role.server as server:
        status, body = await _get(f"{server.url}/metrics")

    assert status == 200
    assert "freshrank_duplicates_total 2.0" in body.splitlines()


async def test_the_run_file_is_there_exactly_while_the_role_listens(tmp_path: Path) -> None:
    path = run_file_path(tmp_path, "worker-0")
    async with Role(tmp_path).server as server:
        found = read_run_file(path)

    assert found == RunFile(role="worker", pid=os.getpid(), url=server.url)
    assert not path.exists()
    assert list(path.parent.iterdir()) == []


async def test_a_successors_run_file_survives_the_predecessors_stop(tmp_path: Path) -> None:
    path = run_file_path(tmp_path, "worker-0")
    async with Role(tmp_path).server:
        path.write_text(json.dumps({"role": "worker", "pid": 1, "url": "http://127.0.0.1:1"}))

    assert read_run_file(path) == RunFile(role="worker", pid=1, url="http://127.0.0.1:1")


async def test_a_taken_port_is_an_error_of_the_second(tmp_path: Path) -> None:
    first = Role(tmp_path / "first").server
    async with first:
        port = int(first.url.rsplit(":", 1)[1])
        second = RoleServer(
            name="trainer",
            role="trainer",
            data_dir=tmp_path,
            registry=WorkerMetrics().registry,
            is_ready=lambda: True,
            status=dict,
            port=port,
        )
        with pytest.raises(OSError, match="address already in use"):
            await second.start()
        await second.stop()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"role": "worker"}', '{"role": "w", "pid": "x", "url": "u"}'])
def test_a_torn_run_file_counts_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "worker-0.json"
    path.write_text(text)

    assert read_run_file(path) is None


async def test_another_process_can_ask_what_the_server_knows(tmp_path: Path) -> None:
    role = Role(tmp_path)
    role.metrics.rejects.labels("not_json").inc(2)
    role.metrics.rejects.labels("empty").inc()
    async with role.server as server:
        before = await asyncio.to_thread(is_healthy, server.url)
        role.is_ready = True
        after = await asyncio.to_thread(is_healthy, server.url)
        status = await asyncio.to_thread(read_status, server.url)
        samples = await asyncio.to_thread(read_samples, server.url)

    assert (before, after) == (False, True)
    assert status == {"role": "worker", "ready": True, "model_version": 3}
    assert sum_of(samples, "freshrank_rejects_total") == 3.0
    assert (read_status(server.url), read_samples(server.url), is_healthy(server.url)) == (None, [], False)


async def _raw(url: str, request: bytes) -> bytes:
    """The first line of the answer to bytes that no HTTP client would send."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    line = await reader.readline()
    writer.close()
    return line


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /status HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", b"400"),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"405"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
    ],
    ids=["a long line", "a long header", "another path", "a body without end", "no HTTP"],
)
async def test_requests_beyond_all_measure_are_refused_and_the_server_goes_on(
    tmp_path: Path, request_bytes: bytes, status: bytes
) -> None:
    async with Role(tmp_path).server as server:
        refused = await _raw(server.url, request_bytes)
        after, _ = await _get(f"{server.url}/status")

    assert (refused.split()[1], after) == (status, 200)
