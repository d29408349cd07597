"""Partitions that are flushed together: a few at a time do what is theirs alone, then one call writes the rows of all.

A call to Feast costs nearly the same for one row as for fifty, so rows wait until every partition of the round has
handed in its own, or until they are many.
"""

import asyncio
from collections.abc import Iterable

from streams.features.feast_writer import FeatureRowWriter
from streams.features.rows import USER_COUNTERS, RowBatch

__all__ = ["FlushRound"]

# Partitions at work side by side: more would only keep each other's transactions open.
SIDE_BY_SIDE = 4
# So many rows are written without waiting for more: bounds memory under backlog.
ROWS_AT_ONCE = 5_000


class FlushRound:
    """One flush of these partitions. `turn` is held by a partition during the steps before its rows."""

    def __init__(self, rows: FeatureRowWriter, numbers: Iterable[int]) -> None:
        self.turn = asyncio.Semaphore(SIDE_BY_SIDE)
        self._rows = rows
        self._coming = set(numbers)
        self._writing: list[asyncio.Task[None]] = []
        self._gather()

    def _gather(self) -> None:
        self._batches: list[RowBatch] = []
        self._forgotten: list[str] = []
        self._written: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def write(self, number: int, users: RowBatch, forgotten: list[str]) -> None:
        """Return when a partition's rows are in Feast, and those of forgotten users gone; raises what prevented it."""
        written = self._written
        self._batches.append(users)
        self._forgotten += forgotten
        if sum(map(len, self._batches)) >= ROWS_AT_ONCE:
            self._begin_write()
        self.leave(number)
        # Shielded: others wait for the same rows.
        await asyncio.shield(written)

    def leave(self, number: int) -> None:
        """The partition has no more rows to hand in, whether it handed in some or failed before."""
        self._coming.discard(number)
        if not self._coming and self._batches:
            self._begin_write()

    def _begin_write(self) -> None:
        work = self._write(self._batches, self._forgotten, self._written)
        self._gather()
        self._writing.append(asyncio.create_task(work))

    async def _write(self, batches: list[RowBatch], forgotten: list[str], written: "asyncio.Future[None]") -> None:
        try:
            await asyncio.to_thread(self._write_rows, batches, forgotten)
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait for it raise it
            written.set_exception(error)
        else:
            written.set_result(None)

    def _write_rows(self, batches: list[RowBatch], forgotten: list[str]) -> None:
        # In this order: a forgotten user who came back since has a new row.
        if forgotten:
            self._rows.delete(USER_COUNTERS, forgotten)
        users = [batch for batch in batches if batch]
        if users:
            self._rows.write(RowBatch.joined(users))
