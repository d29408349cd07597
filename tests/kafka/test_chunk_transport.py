"""What the chunk consumer delivers when fetches and rebalances meet, on a log in memory."""

import asyncio
from types import SimpleNamespace
from typing import Any

import faust
from faust.types import TP

from streams.kafka.chunk_transport import ChunkConsumer

HERE = TP("events", 1)
END = 12


class LogConsumer(ChunkConsumer):
    """A consumer whose Kafka is one partition of numbered records. The first fetch waits until it is let go."""

    def __init__(self, committed: int, position: int, end: int = END) -> None:
        app = faust.App("test", broker="kafkachunk://127.0.0.1:1")
        super().__init__(app.transport, print, print, print)
        self._committed, self._position, self._end = committed, position, end
        self.fetching: asyncio.Task[list[int]] | None = None
        self._may_fetch = asyncio.Event()
        self.resume_flow()

    def assignment(self) -> set[TP]:
        return {HERE}

    def _get_active_partitions(self) -> set[TP]:
        return {HERE}

    def highwater(self, tp: TP) -> int:
        return self._end if tp == HERE else 0

    async def _getmany(self, *_: object) -> dict[TP, list[Any]]:
        await self._may_fetch.wait()
        taken = range(self._position, min(self._position + 3, self._end))
        self._position = taken.stop
        records = [SimpleNamespace(offset=n, timestamp=1000 + n, timestamp_type=0) for n in taken]
        return {HERE: records} if records else {}

    async def seek_to_committed(self) -> dict[TP, int]:
        self._position = self._committed
        self._may_fetch.set()
        if self.fetching is not None:
            await self.fetching
        return {HERE: self._committed}

    async def seek_wait(self, partitions: dict[TP, int]) -> None:
        self._position = partitions[HERE]

    async def fetch(self) -> list[int]:
        """Offsets of one round of the drain loop."""
        return [record.offset async for _, message in self.getmany(1.0) for record in message.value]


async def rebalance_under_a_fetch(consumer: LogConsumer) -> None:
    """A fetch that waited through a rebalance takes records just after the seek, and throws them away."""
    consumer.fetching = asyncio.create_task(consumer.fetch())
    await asyncio.sleep(0)
    consumer.stop_flow()
    await consumer.perform_seek()
    assert consumer.fetching.result() == []
    consumer.resume_flow()


async def test_records_thrown_away_just_after_a_seek_are_fetched_again() -> None:
    consumer = LogConsumer(committed=3, position=3)
    await rebalance_under_a_fetch(consumer)

    found = [offset for _ in range(END) for offset in await consumer.fetch()]
    assert found == list(range(3, END))
    assert consumer.num_refetches == 1


async def test_records_thrown_away_are_fetched_again_also_when_none_follows_them() -> None:
    consumer = LogConsumer(committed=3, position=3, end=6)
    await rebalance_under_a_fetch(consumer)

    assert [offset for _ in range(3) for offset in await consumer.fetch()] == [3, 4, 5]
