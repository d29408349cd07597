"""The whole worker in one process: engine, flush, serving and feature rows as in `WorkerRuntime`, Kafka in memory."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streams.clock import ManualClock
from streams.examples.label_plan import LabelPlan
from streams.features.feast_repo import prepare_repo
from streams.features.feast_writer import FeatureRowWriter
from streams.features.state_store import StateStore
from streams.kafka.partitioner import partition_for
from streams.observability.metrics import WorkerMetrics
from streams.settings import LabelSettings, Settings
from streams.worker.counted import observe
from streams.worker.feature_rows import item_rows
from streams.worker.knowledge import Knowledge
from streams.worker.list_capture import ListCapture
from streams.worker.open_partition import OpenPartition
from streams.worker.partition import Partition
from streams.worker.partition_state import PartitionState
from streams.worker.sent_records import output_records
from streams.worker.serving import Serving
from streams.worker.skew_sampler import SkewSampler
from tests.fuzz.memory_kafka import MemoryKafka, MemoryRecord

__all__ = ["WholeWorker", "fuzz_settings"]

CACHED_USERS = 200


def fuzz_settings(folder: Path, **changes: Any) -> Settings:
    """Two partitions; windows and ceilings so small that a short run is beyond them."""
    windows = {"click": 20.0, "dwell": 40.0, "cart": 60.0, "order": 120.0, "order_cancelled": 120.0, "dislike": 60.0,
               "quick_back": 40.0}  # fmt: skip
    labels = LabelSettings(window_overrides_s=windows, open_slates_max=500)
    return Settings(num_partitions=2, data_dir=folder, labels=labels, **changes)


class WholeWorker:
    """Takes chunks of `events` and `catalogue`. `taken`: what became of every record; `reasons`: of refused ones."""

    def __init__(self, settings: Settings, also_kept: Sequence[str] = ()) -> None:
        self.settings, self.clock = settings, ManualClock()
        self.kafka = MemoryKafka(settings, ["item-counts", "dead-letters", "events", *also_kept])
        self.metrics = WorkerMetrics()
        self.knowledge = Knowledge(settings, self.clock)
        self.rows = FeatureRowWriter(prepare_repo(settings, settings.data_dir / "repo"), settings, self.clock)
        # Looks at a list of every chunk that moves the clock.
        self.sampler = SkewSampler(settings.catalogue.schema_, self.clock, self.metrics, interval_s=0.05)
        self.lists = ListCapture(self.knowledge.items, self.knowledge.index, self.sampler.watch)
        self.serving = Serving(
            settings, self.clock, knowledge=self.knowledge, lists=self.lists, sender=self.kafka,  # type: ignore[arg-type]
            metrics=self.metrics, partition_of=lambda number: self.partitions[number],
        )  # fmt: skip
        self.partitions = [self._open(number) for number in range(settings.num_partitions)]
        self.taken, self.reasons = Counter[str](), Counter[str]()

    def _open(self, number: int) -> OpenPartition:
        store = StateStore(self.settings.data_dir / "state" / str(number))
        state = PartitionState(number, store, self.knowledge.items, LabelPlan.of(self.settings.labels))
        state.load()
        for view in ("user_counters", "item_counters"):
            self.rows.acquire(view, number)
        return OpenPartition(
            self.settings, self.clock, engine=Partition(state, self.settings, self.lists), store=store,
            changelog=self.kafka, sender=self.kafka, rows=self.rows,  # type: ignore[arg-type]
        )  # fmt: skip

    async def ingest(self, number: int, records: Sequence[MemoryRecord]) -> None:
        """A chunk of a partition of `events`, in offset order."""
        partition = self.partitions[number]
        self.clock.advance_ms(max(records[-1].timestamp - self.clock.now_ms(), 0))
        outputs = partition.engine.process(records)
        letters = output_records(self.settings, outputs, number, self.clock.now_ms())
        partition.add(letters, [gone.user_id for gone in outputs.forgotten], None)
        observe(self.metrics, outputs)
        self.serving.take(partition, outputs)
        self.taken.update({kind: outputs.counts[kind] for kind in outputs.counts})
        self.taken["refused"] += len(outputs.rejected)
        self.taken["sent on"] += len(outputs.misplaced)
        self.reasons.update(refusal.reason for _, refusal in outputs.rejected)

    def learn_items(self, number: int, records: Sequence[MemoryRecord]) -> int:
        """A chunk of `catalogue`; returns how many were refused."""
        before = self.knowledge.counts["item_refused"]
        self.knowledge.on_catalogue(number, records)  # type: ignore[arg-type]
        return self.knowledge.counts["item_refused"] - before

    async def flush(self) -> None:
        """Make everything durable, then read back what the worker itself reads."""
        self.knowledge.refresh(self.partitions[0].engine.state.max_event_ms)
        self.serving.refresh_due()
        await asyncio.gather(*(partition.flush(CACHED_USERS) for partition in self.partitions))
        counts = self.kafka.kept["item-counts"]
        records = [MemoryRecord(0, 0, one.key, one.value) for one in counts]
        counts.clear()
        slots = sorted(set(self.knowledge.on_item_counts(0, records)))  # type: ignore[arg-type]
        if slots:
            self.rows.write(item_rows(np.array(slots, np.int32), self.knowledge.items))

    async def close(self) -> None:
        """Give everything back."""
        for partition in self.partitions:
            await partition.close()
        self.rows.close()

    def partition_of(self, user_id: str) -> int:
        """Where a user's events belong."""
        return partition_for(user_id, self.settings.num_partitions)
