import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams.clock import ManualClock, SystemClock
from streams.errors import StalledError
from streams.observability.web import RoleServer
from streams.replay.catalogue_barrier import STALL_S, has_applied, wait_for_catalogue, workers


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"catalogue_offsets": {"0": 5, "1": 9}}, True),
        ({"catalogue_offsets": {"0": 6, "1": 9, "2": 1}}, True),
        ({"catalogue_offsets": {"0": 4, "1": 9}}, False),
        ({"catalogue_offsets": {"0": 5}}, False),
        ({}, False),
    ],
)
def test_a_worker_has_applied_the_catalogue_when_each_partition_is_reached(
    status: dict[str, Any], *, expected: bool
) -> None:
    assert has_applied(status, {0: 5, 1: 9}) is expected


@asynccontextmanager
async def worker(data_dir: Path, name: str, offset: Callable[[], int], role: str = "worker") -> AsyncIterator[None]:
    """A real status server of a role that says how far it is."""
    async with RoleServer(
        name=name,
        role=role,
        data_dir=data_dir,
        registry=CollectorRegistry(),
        is_ready=lambda: True,
        status=lambda: {"catalogue_offsets": {"0": offset()}},
    ):
        yield


async def test_without_a_worker_nobody_is_waited_for(tmp_path: Path) -> None:
    async with worker(tmp_path, "trainer", lambda: 0, role="trainer"):
        assert await wait_for_catalogue(tmp_path, {0: 7}, SystemClock()) is False


async def test_the_wait_ends_when_the_slowest_worker_is_there(tmp_path: Path) -> None:
    progress = iter(range(5, 100))
    asked: list[int] = []

    def slow() -> int:
        asked.append(next(progress))
        return asked[-1]

    async with worker(tmp_path, "worker-0", lambda: 7), worker(tmp_path, "worker-1", slow):
        assert [run.role for run in workers(tmp_path)] == ["worker", "worker"]
        assert await wait_for_catalogue(tmp_path, {0: 7}, SystemClock()) is True
    assert asked == [5, 6, 7]


async def test_the_file_of_a_killed_worker_holds_nobody_up(tmp_path: Path) -> None:
    dead = await asyncio.create_subprocess_exec("true")
    await dead.wait()
    (tmp_path / "run").mkdir()
    file = tmp_path / "run" / "worker-9.json"
    file.write_text(json.dumps({"role": "worker", "pid": dead.pid, "url": "http://127.0.0.1:1"}))
    assert await wait_for_catalogue(tmp_path, {0: 7}, SystemClock()) is False


async def test_a_worker_that_lives_and_does_not_answer_is_an_error_after_two_minutes(tmp_path: Path) -> None:
    class Leaping(ManualClock):
        def monotonic_s(self) -> float:
            self.advance_ms(int(STALL_S * 600))
            return super().monotonic_s()

    (tmp_path / "run").mkdir()
    file = tmp_path / "run" / "worker-0.json"
    file.write_text(json.dumps({"role": "worker", "pid": os.getpid(), "url": "http://127.0.0.1:1"}))
    with pytest.raises(StalledError, match=r"http://127.0.0.1:1 \(pid \d+\) has not read the catalogue for 120 s"):
        await wait_for_catalogue(tmp_path, {0: 7}, Leaping())
