"""Partitions flushed together: one write of rows for all, and each fails or acks for itself."""

import asyncio
from typing import Any

import numpy as np
import pytest

from streams.features.rows import RowBatch
from streams.worker.flush_round import ROWS_AT_ONCE, FlushRound


class Rows:
    """Stands for Feast; `fails`: what it raises for the batch with this user."""

    def __init__(self, fails: str = "") -> None:
        self.calls: list[Any] = []
        self._fails = fails

    def write(self, batch: RowBatch) -> int:
        if self._fails in batch.entity_ids:
            raise ConnectionError(self._fails)
        self.calls.append(batch.entity_ids)
        return len(batch)

    def delete(self, view: str, entity_ids: list[str]) -> int:
        self.calls.append((view, entity_ids))
        return 0


def batch(*users: str) -> RowBatch:
    return RowBatch("user_counters", list(users), np.zeros(len(users), np.int64), {})


def round_of(rows: Rows, num: int) -> FlushRound:
    return FlushRound(rows, range(num))  # type: ignore[arg-type]


async def test_rows_of_a_round_are_written_in_one_call_after_the_forgotten_are_gone() -> None:
    rows = Rows()
    together = round_of(rows, 3)
    await asyncio.gather(
        together.write(0, batch("a", "b"), ["x"]), together.write(1, batch(), ["y"]), together.write(2, batch("c"), [])
    )
    assert rows.calls == [("user_counters", ["x", "y"]), ["a", "b", "c"]]


async def test_rows_wait_for_a_partition_that_is_still_at_work_and_not_for_one_that_failed() -> None:
    rows = Rows()
    together = round_of(rows, 3)
    first = asyncio.create_task(together.write(0, batch("a"), []))
    second = asyncio.create_task(together.write(1, batch("b"), []))
    await asyncio.sleep(0)
    assert rows.calls == []
    together.leave(2)
    await asyncio.gather(first, second)
    assert rows.calls == [["a", "b"]]


async def test_many_rows_do_not_wait() -> None:
    rows = Rows()
    together = round_of(rows, 2)
    many = [f"u{n}" for n in range(ROWS_AT_ONCE)]
    await together.write(0, batch(*many), [])
    await together.write(1, batch("b"), [])
    assert rows.calls == [many, ["b"]]


async def test_a_write_that_fails_is_raised_for_every_partition_in_it() -> None:
    rows = Rows(fails="b")
    together = round_of(rows, 2)
    writes = [together.write(0, batch("a"), []), together.write(1, batch("b"), [])]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError, ConnectionError]
    assert rows.calls == []


async def test_a_partition_that_is_given_up_does_not_stop_the_write_of_the_others() -> None:
    rows = Rows()
    together = round_of(rows, 2)
    first = asyncio.create_task(together.write(0, batch("a"), []))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await together.write(1, batch("b"), [])
    assert rows.calls == [["a", "b"]]
