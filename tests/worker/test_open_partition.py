"""The flush: its order, and what a flush that fails leaves behind. Kafka and Feast are stood in for by lists."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.clock import ManualClock
from streams.errors import StateError
from streams.features.rows import RowBatch
from streams.features.state_store import StateStore
from streams.kafka.record_sender import OutRecord
from streams.settings import Settings
from streams.worker.flush_round import FlushRound
from streams.worker.open_partition import OpenPartition
from streams.worker.partition import Partition
from tests.worker.event_log import START_MS, records

Open = Callable[[Path], tuple[Partition, StateStore]]


class Journal:
    """Stands for sender, changelog and rows at once, and writes down what came when. `fails`: the step that raises."""

    def __init__(self, fails: str = "") -> None:
        self.steps: list[str] = []
        self._fails = fails

    def _note(self, step: str) -> None:
        if step == self._fails:
            raise ConnectionError(step)
        self.steps.append(step)

    async def send(self, out: Iterable[OutRecord]) -> None:
        self._note("send " + ",".join(sorted({record.topic.rpartition(".")[2] for record in out})))

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass


class Changelog(Journal):
    async def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> int:
        self._note("changelog")
        return len(list(changes))


class Rows(Journal):
    def write(self, batch: RowBatch) -> int:
        self._note(f"rows {batch.entity_ids}")
        return len(batch)

    def delete(self, view: str, entity_ids: list[str]) -> int:
        self._note(f"delete {view} {entity_ids}")
        return 0


def event(kind: str, n: int, user: str = "u1", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": f"e{n}", "user_id": user, "occurred_at_ms": START_MS + n, **fields}


def opened(open_engine: Open, settings: Settings, folder: Path, fails: str = "") -> tuple[OpenPartition, Journal]:
    engine, store = open_engine(folder)
    changelog = Changelog(fails)
    rows, sender = Rows(fails), Journal(fails)
    rows.steps = sender.steps = changelog.steps
    partition = OpenPartition(
        settings, ManualClock(), engine=engine, store=store, changelog=changelog,  # type: ignore[arg-type]
        sender=sender, rows=rows,  # type: ignore[arg-type]
    )  # fmt: skip
    return partition, changelog


async def test_a_flush_keeps_its_order(open_engine: Open, engine_settings: Settings, tmp_path: Path) -> None:
    partition, journal = opened(open_engine, engine_settings, tmp_path / "state")
    partition.engine.process(records([event("view", 1, item_id="i1"), event("forget", 2, "u2")]))
    partition.add([OutRecord("x.training-examples", b"k", b"v")], ["u2"], lambda: journal.steps.append("ack"))
    await partition.flush(10)
    await partition.flush(10)
    await partition.close()

    assert journal.steps == [
        "send training-examples",
        "changelog",
        "send item-counts",
        "delete user_counters ['u2']",
        "rows ['u1']",
        "ack",
    ]


@pytest.mark.parametrize("fails", ["send training-examples", "changelog", "send item-counts", "rows ['u1']"])
async def test_after_a_failed_flush_nothing_more_is_written_and_the_next_owner_repeats_it(
    open_engine: Open, engine_settings: Settings, tmp_path: Path, fails: str
) -> None:
    """Its changes have left memory: a later flush would write an offset that includes what is on no disk."""
    log = records([event("view", 1, item_id="i1"), event("view", 2, "u2", item_id="i2")])
    acks: list[str] = []
    partition, _ = opened(open_engine, engine_settings, tmp_path / "state", fails)
    partition.engine.process(log[:1])
    partition.add([OutRecord("x.training-examples", b"k", b"v")], [], lambda: acks.append("1"))
    with pytest.raises(ConnectionError):
        await partition.flush(10)
    partition.engine.process(log[1:])
    partition.add([], [], lambda: acks.append("2"))
    with pytest.raises(StateError, match="an earlier flush failed"):
        await partition.flush(10)
    await partition.close()

    engine, store = open_engine(tmp_path / "state")
    engine.process(log)
    totals = [engine.state.user(user).totals[1] for user in ("u1", "u2")]
    store.close()
    assert (totals, acks) == ([1, 1], [])


async def test_what_is_not_durable_yet_is_counted_in_records_however_they_were_chunked(
    open_engine: Open, engine_settings: Settings, tmp_path: Path
) -> None:
    partition, _ = opened(open_engine, engine_settings, tmp_path / "state")
    found = []
    for num_records in (1, 1, 1000):
        partition.add([], [], lambda: None, num_records)
        found.append(partition.num_unflushed)
    await partition.flush(10)
    found.append(partition.num_unflushed)
    await partition.close()
    assert found == [1, 2, 1002, 0]


@pytest.mark.parametrize("fails", ["changelog", "rows ['u1']"])
async def test_a_partition_that_fails_acks_nothing_and_holds_up_none_that_is_flushed_with_it(
    open_engine: Open, engine_settings: Settings, tmp_path: Path, fails: str
) -> None:
    acks: list[str] = []
    partition, _ = opened(open_engine, engine_settings, tmp_path / "state", fails)
    together = FlushRound(Rows(fails), [0, 1])  # type: ignore[arg-type]
    partition.engine.process(records([event("view", 1, item_id="i1")]))
    partition.add([], [], lambda: acks.append("1"))
    other = asyncio.create_task(together.write(1, RowBatch("user_counters", [], np.zeros(0, np.int64), {}), []))
    with pytest.raises(ConnectionError):
        await partition.flush(10, together)
    outcome = await asyncio.gather(other, return_exceptions=True)
    with pytest.raises(StateError, match="an earlier flush failed"):
        await partition.flush(10)
    await partition.close()
    # Rows that were to be written in the same call are not there, so their partition must not ack either.
    assert ([type(one) for one in outcome], acks) == ([type(None) if fails == "changelog" else ConnectionError], [])
