"""Bad catalogue records become dead letters once: told by whoever owns the `events` partition of the same number."""

from functools import partial

from streams.observability.metrics import WorkerMetrics
from streams.settings import Settings
from streams.worker.knowledge import Knowledge
from streams.worker.partition_set import PartitionSet
from streams.worker.sent_records import dead_letter

__all__ = ["refuse_items"]


def refuse_items(
    settings: Settings, knowledge: Knowledge, partitions: PartitionSet, metrics: WorkerMetrics, now_ms: int
) -> None:
    """Hand what the catalogue's reader refused to the flushes of own partitions, and count it."""
    for number, partition in partitions.owned.items():
        state = partition.engine.state
        bad = [pair for pair in knowledge.rejected[number] if pair[0].offset >= state.catalogue_next]
        # What was told before needs no memory; nor what is told below, as a worker that fails reads all anew.
        knowledge.rejected[number].clear()
        if bad:
            letter = partial(dead_letter, settings, topic="catalogue", partition=number)
            partition.add([letter(record, refusal, now_ms=now_ms) for record, refusal in bad], [], None)
            state.catalogue_next = bad[-1][0].offset + 1
            metrics.dead_letters.inc(len(bad))
            for _, refusal in bad:
                metrics.rejects.labels(refusal.reason).inc()
