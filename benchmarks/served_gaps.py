"""How long partitions are not served: a request to each of them all the time, and when its answers come.

Seen from outside, as a site sees it: everything between Kafka taking the request and giving out the list counts.
"""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import orjson
from aiokafka.structs import ConsumerRecord

from streams.clock import SystemClock
from streams.kafka.partitioner import partition_for
from streams.kafka.record_sender import OutRecord, RecordSender
from streams.kafka.tail import TopicTail
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["ServedGaps"]

ASK_EVERY_S = 0.05
# Where nothing is wrong for so long, it is over.
CALM_S = 3.0


class ServedGaps:
    """Asks from `start` to `stop`. Times are monotonic seconds."""

    def __init__(self, settings: Settings) -> None:
        self._clock, self._topics = SystemClock(), topic_specs(settings)
        self._sender = RecordSender(settings)
        self._tail = TopicTail(settings, self._topics["rankings"].name, self._on_rankings)
        self._users = _user_of_each_partition(settings.num_partitions)
        self._partition_of = {user: number for number, user in self._users.items()}
        self._answered_s: dict[int, list[float]] = {number: [] for number in self._users}
        self._num_asked = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and begin to ask."""
        await self._sender.start()
        await self._tail.start()
        self._task = asyncio.create_task(self._ask())

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._tail.stop()
        await self._sender.stop()

    async def longest_since(self, began_s: float, within_s: float) -> float:
        """Wait until all partitions are served steadily again; the longest gap of any of them since `began_s`."""
        while not self._is_calm(began_s):
            if self._clock.monotonic_s() - began_s > within_s:
                raise TimeoutError(f"a partition is still not served after {within_s:.0f} s")
            await asyncio.sleep(ASK_EVERY_S)
        return max(_longest(times, began_s) for times in self._answered_s.values())

    def _is_calm(self, began_s: float) -> bool:
        """Every partition answered all the time for the last seconds."""
        now_s = self._clock.monotonic_s()
        since_s = max(began_s, now_s - CALM_S)
        return now_s - began_s > 2 * CALM_S and all(
            len([at_s for at_s in times[-200:] if at_s > since_s]) > CALM_S / ASK_EVERY_S / 4
            for times in self._answered_s.values()
        )

    async def _ask(self) -> None:
        topic = self._topics["events"].name
        while True:
            await self._sender.send(
                OutRecord(topic, user.encode(), self._request(user), number) for number, user in self._users.items()
            )
            await asyncio.sleep(ASK_EVERY_S)

    def _request(self, user: str) -> bytes:
        self._num_asked += 1
        request_id = f"gap-{self._num_asked}"
        return orjson.dumps(
            {
                "type": "rank", "event_id": request_id, "request_id": request_id, "user_id": user, "surface": "probe",
                "occurred_at_ms": self._clock.now_ms(), "items": [{"item_id": "i1"}],
            }
        )  # fmt: skip

    def _on_rankings(self, _: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        now_s = self._clock.monotonic_s()
        for record in records:
            user = (record.key or b"").split(b"\0")[0].decode()
            if user in self._partition_of:
                self._answered_s[self._partition_of[user]].append(now_s)


def _user_of_each_partition(num_partitions: int) -> dict[int, str]:
    users: dict[int, str] = {}
    number = 0
    while len(users) < num_partitions:
        user = f"gap-user-{number}"
        users.setdefault(partition_for(user, num_partitions), user)
        number += 1
    return dict(sorted(users.items()))


def _longest(times: Sequence[float], since_s: float) -> float:
    later = [since_s, *(at_s for at_s in times if at_s > since_s)]
    return max((after - before for before, after in pairwise(later)), default=0.0)
