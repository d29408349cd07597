"""Opening a partition: fence whoever wrote its changelog before, bring the local state up to it, load it.

The local folder may be missing, behind (the partition lived elsewhere for a while), or ahead of nothing: a flush is on
the changelog before it is on disk. So local state plus the changelog from where the local state knows it is the state
as of the last flush of whoever owned the partition.

A broker that stops in the middle of a commit may call it done and yet leave the records undecided (seen with Kafka 4.3:
`CompleteCommit` in the log of transactions, no marker behind the records). The writer went on as told, so the state
would be older than the offsets that are committed. With the writer fenced nothing is under way, so whatever is
undecided then is decided here: a whole flush counts, a part of one does not.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
from aiokafka.structs import ConsumerRecord

from streams.examples.label_plan import LabelPlan
from streams.features.items import ItemTable
from streams.features.state_store import META_KEY, StateStore
from streams.kafka.record_sender import ChangelogWriter
from streams.kafka.tail import partition_ends, read_partition
from streams.settings import Settings
from streams.topics import topic_specs
from streams.worker.partition_state import PartitionState, read_meta

__all__ = ["TakenOver", "open_state", "state_folder", "take_over"]

log = structlog.get_logger(__name__)
# Deleted keys leave the changelog a day after their tombstone; a folder that slept longer than half of that might keep
# what was deleted, so it is dropped and read anew.
MAX_ABSENCE_MS = 12 * 3_600_000


def state_folder(settings: Settings, number: int) -> Path:
    """Where a worker keeps a partition's state; workers on one machine have folders of their own."""
    return settings.data_dir / "state" / (settings.worker.instance_id or "worker") / f"partition-{number}"


class TakenOver(NamedTuple):
    """A partition of the changelog that nobody else can write any more, and where it ends."""

    writer: ChangelogWriter
    end: int


async def take_over(settings: Settings, numbers: Sequence[int]) -> dict[int, TakenOver]:
    """Fence whoever wrote these partitions before, all at once."""
    if not numbers:
        return {}
    topic = topic_specs(settings)["state-changelog"].name
    writers = {number: ChangelogWriter(settings, topic, number) for number in numbers}
    await asyncio.gather(*(writer.start() for writer in writers.values()))
    ends = await partition_ends(settings, topic, numbers)
    return {number: TakenOver(writer, ends[number]) for number, writer in writers.items()}


async def open_state(
    settings: Settings, number: int, taken: TakenOver, items: ItemTable, now_ms: int
) -> tuple[PartitionState, StateStore, int]:
    """The state of a partition that was taken over, its store, and how many records were read back.

    Raises StateError when the folder cannot be opened.
    """
    topic = topic_specs(settings)["state-changelog"].name
    store = await asyncio.to_thread(StateStore, state_folder(settings, number))
    meta = read_meta(store)
    if now_ms - meta.get("written_at_ms", now_ms) > MAX_ABSENCE_MS:
        store.clear()
        meta = {}
    num_restored, changelog_next = 0, meta.get("changelog_next", 0)

    def take(_: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        nonlocal num_restored
        num_restored += len(records)
        store.write((record.key or b"", record.value) for record in records)

    # Of one that was opened here last, and not written since, all is known.
    if changelog_next != taken.end:
        changelog_next = await read_partition(settings, topic, number, changelog_next, take)
        decided = await _decided(settings, topic, number, changelog_next, taken) if changelog_next < taken.end else 0
        # Kafka calls a transaction ended before that can be read.
        while changelog_next < decided:
            changelog_next = await read_partition(settings, topic, number, changelog_next, take)
    meta = {**read_meta(store), "changelog_next": changelog_next, "written_at_ms": now_ms}
    store.write([(META_KEY, msgspec.json.encode(meta))])
    state = PartitionState(number, store, items, LabelPlan.of(settings.labels))
    for _ in state.load_steps():
        await asyncio.sleep(0)
    return state, store, num_restored


async def _decided(settings: Settings, topic: str, number: int, from_offset: int, taken: TakenOver) -> int:
    """Decide what an earlier writer left undecided from this offset on. Returns up to where all is decided."""
    undecided: list[ConsumerRecord[bytes, bytes]] = []
    await read_partition(
        settings, topic, number, from_offset, lambda _, records: undecided.extend(records), is_committed=False
    )
    if not undecided:
        return 0
    # The last record of a flush says what it includes.
    is_whole = undecided[-1].key == META_KEY
    log.warning("flush_undecided", partition=number, records=len(undecided), is_whole=is_whole)
    if is_whole:
        return await taken.writer.write([(META_KEY, undecided[-1].value)])
    await taken.writer.abort_open()
    last: int = undecided[-1].offset
    return last + 1
