"""Kafka's topics as a worker without Kafka sees them: records that are too large are refused, as by the real one."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka.errors import MessageSizeTooLargeError

from streams.kafka.record_sender import OutRecord
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["MemoryKafka", "MemoryRecord"]

# What a batch of one record has around key and value.
OVERHEAD_BYTES = 100


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """A record as a consumer gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    partition: int = 0


class MemoryKafka:
    """Sender and changelog of a worker. `kept`: records of the topics that the worker itself reads, by short name."""

    def __init__(self, settings: Settings, kept: Iterable[str]) -> None:
        self._specs = {spec.name: spec for spec in topic_specs(settings).values()}
        self._changelog = topic_specs(settings)["state-changelog"].name
        self.kept: dict[str, deque[OutRecord]] = {short: deque() for short in kept}
        self.num = Counter[str]()
        self.largest_bytes = Counter[str]()

    async def send(self, records: Iterable[OutRecord]) -> None:
        """Take records, or raise what Kafka would."""
        for record in records:
            self._accept(record)

    async def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> int:
        """The changelog of any partition."""
        for key, value in changes:
            self._accept(OutRecord(self._changelog, key, value))
        return self.num["state-changelog"]

    async def stop(self) -> None:
        """Nothing is held."""

    def _accept(self, record: OutRecord) -> None:
        spec = self._specs[record.topic]
        size = len(record.key or b"") + len(record.value or b"") + OVERHEAD_BYTES
        if size > int(spec.config["max.message.bytes"]):
            raise MessageSizeTooLargeError(f"{spec.short}: {size} bytes, key {(record.key or b'')[:80]!r}")
        if "compact" in spec.config["cleanup.policy"] and not record.key:
            raise ValueError(f"{spec.short} is compacted and takes no record without a key")
        self.num[spec.short] += 1
        self.largest_bytes[spec.short] = max(self.largest_bytes[spec.short], size)
        if spec.short in self.kept:
            self.kept[spec.short].append(record)
