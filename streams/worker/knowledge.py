"""What every worker knows, whichever partitions it owns: the catalogue, item counts, and lists of candidates.

Read from the start of their topics outside the group; a worker is ready when it has read both to their ends.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec
import structlog
from aiokafka.structs import ConsumerRecord

from streams.clock import Clock
from streams.events.decode import Rejected, decode_catalogue
from streams.features.count_record import CountRecord, decode_counts
from streams.features.items import ItemTable
from streams.kafka.partitioner import partition_for
from streams.kafka.tail import TopicTail
from streams.ranking.candidates import CandidateIndex
from streams.ranking.query_index import item_words
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["Knowledge", "split_count_key"]

Records = Sequence[ConsumerRecord[bytes, bytes]]
REFRESH_S = 1.0
log = structlog.get_logger(__name__)


class _CountedTo(msgspec.Struct):
    """The one field that says whether the others are news."""

    offset: int


_OFFSET = msgspec.json.Decoder(_CountedTo)


def split_count_key(key: bytes) -> tuple[str, int]:
    """Item id and source partition of a key on `item-counts`."""
    item_id, _, source = key.decode().rpartition("|")
    return item_id, int(source)


class Knowledge:
    """Item table and candidate index, kept up to date by two tails.

    `last_bad`: offset of the last bad catalogue record, by partition.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        topics = topic_specs(settings)
        self.items = ItemTable(settings.catalogue, settings.num_partitions)
        self.index = CandidateIndex(settings.ranking.candidates)
        self.counts: Counter[str] = Counter()
        self.last_bad: dict[int, int] = {}
        self._clock = clock
        self.catalogue = TopicTail(settings, topics["catalogue"].name, self.on_catalogue)
        self.item_counts = TopicTail(settings, topics["item-counts"].name, self.on_item_counts)
        self._refreshed_at_s = float("-inf")

    async def start(self) -> None:
        """Read both topics to their ends, then follow them. Raises BrokerUnreachableError."""
        await self.catalogue.start()
        await self.item_counts.start()

    async def stop(self) -> None:
        """Stop following."""
        await self.catalogue.stop()
        await self.item_counts.stop()

    def on_catalogue(self, partition: int, records: Records) -> None:
        """Take records of one partition of the catalogue, in order; bad ones are only counted."""
        for record in records:
            if record.value is None:
                slot = self.items.remove((record.key or b"").decode(errors="replace"))
                self.index.queries.remove(slot)
                continue
            item = decode_catalogue(record.value)
            if isinstance(item, Rejected):
                self.last_bad[partition] = record.offset
                self.counts["item_refused"] += 1
                continue
            slot = self.items.upsert(item, record.timestamp)
            self.index.queries.update(slot, item_words(item))
            self.counts["item"] += 1
        self._refreshed_at_s = float("-inf")

    def on_item_counts(self, _: int, records: Records) -> list[int]:
        """Take absolute counts; returns the slots they are about. Repeated and older records change nothing."""
        slots: list[int] = []
        news: dict[int, list[tuple[str, CountRecord]]] = {}
        for record in records:
            if record.value is None:
                continue
            try:
                item_id, source = split_count_key(record.key or b"")
                # Most are our own, or were read by the other of the two that read the topic.
                if not self.items.includes(source, item_id, _OFFSET.decode(record.value).offset):
                    news.setdefault(source, []).append((item_id, decode_counts(record.value)))
            except (ValueError, LookupError, TypeError) as error:
                # The topic is ours alone: somebody wrote to it by mistake. Going on is right, silence is not.
                log.warning("item_count_refused", partition=record.partition, offset=record.offset, reason=repr(error))
                continue
            slots.append(self.items.slot(item_id))
        for source, counted in news.items():
            self.items.apply(source, counted)
        return slots

    def partition_of(self, item_id: str) -> int:
        """The partition of `item-counts` that an item belongs to."""
        return partition_for(item_id, len(self.items.sources))

    def refresh(self, now_ms: int) -> None:
        """Recompute the candidate lists, at most once a second. `now_ms` is event time."""
        if self._clock.monotonic_s() - self._refreshed_at_s >= REFRESH_S:
            self._refreshed_at_s = self._clock.monotonic_s()
            self.index.refresh(self.items, now_ms)
