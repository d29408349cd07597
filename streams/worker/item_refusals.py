"""Bad catalogue records become dead letters once: told by whoever owns the `events` partition of the same number.

Every worker reads the whole catalogue, and remembers only where its last bad records are. The owner of a partition
reads it once more from where its letters end, a piece at a time, so a catalogue full of rubbish takes no memory.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from aiokafka.structs import ConsumerRecord

from streams.clock import Clock
from streams.events.decode import Rejected, decode_catalogue
from streams.kafka.record_sender import OutRecord
from streams.kafka.tail import read_partition
from streams.observability.metrics import WorkerMetrics
from streams.settings import Settings
from streams.topics import topic_specs
from streams.worker.knowledge import Knowledge
from streams.worker.open_partition import OpenPartition
from streams.worker.partition_set import PartitionSet
from streams.worker.sent_records import dead_letter

__all__ = ["ItemRefusals", "letters_of"]

LOOK_EVERY_S = 0.1
# Records read between two flushes at most: what the letters of one piece may take of memory.
PIECE_RECORDS = 500


class ItemRefusals:
    """Use `run` as a background task of the worker."""

    def __init__(
        self, settings: Settings, clock: Clock, knowledge: Knowledge, partitions: PartitionSet, metrics: WorkerMetrics
    ) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._knowledge, self._partitions = knowledge, partitions

    async def run(self) -> None:
        """Look for bad records again and again. Raises StateError when the topic ends before what is known of it."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for number, last_bad in list(self._knowledge.last_bad.items()):
                partition = self._partitions.owned.get(number)
                if partition is not None and partition.engine.state.catalogue_next <= last_bad:
                    await self._refuse(number, partition)

    async def _refuse(self, number: int, partition: OpenPartition) -> None:
        """Hand what is bad in the next piece to the partition's flush, and count it."""
        bad: list[tuple[OutRecord, Rejected]] = []

        def take(_: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
            bad.extend(letters_of(self._settings, number, records, self._clock.now_ms()))

        topic, from_offset = topic_specs(self._settings)["catalogue"].name, partition.engine.state.catalogue_next
        read_to = await read_partition(self._settings, topic, number, from_offset, take, max_records=PIECE_RECORDS)
        if self._partitions.owned.get(number) is not partition:
            return
        partition.add([letter for letter, _ in bad], [])
        partition.engine.state.catalogue_next = read_to
        self._metrics.dead_letters.inc(len(bad))
        for _, refusal in bad:
            self._metrics.rejects.labels(refusal.reason).inc()
        await self._partitions.room(partition)


def letters_of(
    settings: Settings, number: int, records: Sequence[ConsumerRecord[bytes, bytes]], now_ms: int
) -> list[tuple[OutRecord, Rejected]]:
    """A dead letter, and the refusal in it, for each bad one among records of a partition of the catalogue."""
    letter = partial(dead_letter, settings, topic="catalogue", partition=number, now_ms=now_ms)
    found = ((record, decode_catalogue(record.value)) for record in records if record.value is not None)
    return [(letter(record, item), item) for record, item in found if isinstance(item, Rejected)]
