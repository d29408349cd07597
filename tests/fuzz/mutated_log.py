"""Two partitions of `events` as a careless world writes them: good, damaged, repeated, moved, misplaced."""

import json
from collections.abc import Iterator, Sequence
from random import Random

from streams.kafka.partitioner import partition_for
from tests.fuzz.memory_kafka import MemoryRecord
from tests.fuzz.mutations import mutate
from tests.fuzz.traffic import endless_events

__all__ = ["MutatedLog"]

DAMAGED_FRAC, REPEATED_FRAC, MISPLACED_FRAC, ODD_KEY_FRAC, HELD_BACK_FRAC = 0.5, 0.05, 0.02, 0.05, 0.05
KEPT = 200
ODD_KEYS = (None, b"", b"\xff" * 2000, b"\x00", b"someone else")
WATERMARK_EVERY = 5_000


class MutatedLog:
    """Chunks of records by partition; offsets have gaps. `log`: valid records to begin with, else those of a shop."""

    def __init__(self, seed: int, num_partitions: int, log: Iterator[bytes] | None = None) -> None:
        self._random, self._num_partitions = Random(seed), num_partitions
        self._source = log or (json.dumps(event).encode() for event in endless_events(seed))
        self._next = [0] * num_partitions
        self._latest_ms = 0
        self._before: list[MemoryRecord] = []
        self._held_back: list[bytes] = []
        self.num_damaged = 0

    def chunk(self, size: int) -> dict[int, list[MemoryRecord]]:
        """About `size` records, by partition; fewer when the log ends."""
        found: dict[int, list[MemoryRecord]] = {number: [] for number in range(self._num_partitions)}
        for _ in range(size):
            raw = next(self._source, None)
            if raw is None:
                break
            for one in self._sent(raw):
                record = self._appended(one)
                found[record.partition].append(record)
        return found

    def sent_on(self, values: Sequence[tuple[bytes | None, bytes | None, int]]) -> dict[int, list[MemoryRecord]]:
        """What the worker sends on, as it comes back: (key, value, partition)."""
        found: dict[int, list[MemoryRecord]] = {number: [] for number in range(self._num_partitions)}
        for key, value, number in values:
            found[number].append(self._at(number, key, value))
        return found

    def _sent(self, raw: bytes) -> Iterator[tuple[bytes, bytes | None, int]]:
        """What becomes of one good record: its user, what is sent, its place."""
        user_id, at_ms = _user_and_time(raw)
        self._latest_ms = max(self._latest_ms, at_ms)
        random, number = self._random, partition_for(user_id, self._num_partitions)
        if random.random() < MISPLACED_FRAC:
            number = random.randrange(self._num_partitions)
        value: bytes | None = raw
        if random.random() < DAMAGED_FRAC:
            self.num_damaged += 1
            value = mutate(random, raw) if random.random() < 0.995 else None
        if random.random() < HELD_BACK_FRAC:
            self._held_back.append(raw)
        if len(self._held_back) > 20:
            late = self._held_back.pop(random.randrange(len(self._held_back)))
            yield b"", late, partition_for(_user_and_time(late)[0], self._num_partitions)
        yield user_id.encode(), value, number

    def _appended(self, sent: tuple[bytes, bytes | None, int]) -> MemoryRecord:
        key, value, number = sent
        random = self._random
        if self._before and random.random() < REPEATED_FRAC:
            again = random.choice(self._before)
            return self._at(again.partition, again.key, again.value)
        record = self._at(number, random.choice(ODD_KEYS) if random.random() < ODD_KEY_FRAC else key, value)
        if self._next[number] % WATERMARK_EVERY == 0:
            at_ms = self._latest_ms - 3_600_000
            mark = {"type": "watermark", "event_id": f"idle:{at_ms}", "user_id": "", "occurred_at_ms": at_ms}
            return self._at(number, None, json.dumps(mark).encode())
        if len(value or b"") < 10_000:
            self._before.append(record)
            del self._before[:-KEPT]
        return record

    def _at(self, number: int, key: bytes | None, value: bytes | None) -> MemoryRecord:
        # Transactions and compaction leave gaps.
        self._next[number] += 1 if self._random.random() < 0.99 else 3
        return MemoryRecord(self._next[number], self._latest_ms + 1000, key, value, number)


def _user_and_time(raw: bytes) -> tuple[str, int]:
    event = json.loads(raw)
    return event["user_id"], event["occurred_at_ms"]
