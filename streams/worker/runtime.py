"""The worker process around its agents: what starts first, what runs beside them, what stops last.

Start: connect, read the catalogue and item counts to their ends, load the newest model; then the consumer starts and
partitions open as they are assigned. Any failure of a background task ends the process: its supervisor starts it anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import structlog
from aiokafka.structs import ConsumerRecord

from streams.clock import Clock
from streams.features.feast_repo import prepare_repo
from streams.features.feast_writer import FeatureRowWriter
from streams.kafka.await_broker import await_broker
from streams.kafka.partition_lag import PartitionLag
from streams.kafka.record_sender import RecordSender
from streams.observability.consumer_lag import observe_lags
from streams.observability.metrics import WorkerMetrics
from streams.observability.web import RoleServer
from streams.settings import Settings
from streams.worker import heap
from streams.worker.assignment import Assignment
from streams.worker.counted import observe
from streams.worker.flush_pace import FlushPace
from streams.worker.history_erasure import HistoryErasure
from streams.worker.item_refusals import ItemRefusals
from streams.worker.knowledge import Knowledge
from streams.worker.list_capture import ListCapture
from streams.worker.model_follower import ModelFollower
from streams.worker.open_partition import OpenPartition
from streams.worker.outputs import SourceRecord
from streams.worker.partition_set import PartitionSet
from streams.worker.refresh_loop import RefreshLoop
from streams.worker.row_partitions import RowPartitions
from streams.worker.sent_records import output_records, watermark
from streams.worker.serving import Serving
from streams.worker.skew_sampler import SkewSampler
from streams.worker.warm_up import warm_up

__all__ = ["WorkerRuntime"]

log = structlog.get_logger(__name__)
Crash = Callable[[BaseException], Awaitable[None]]
# How often idle partitions are looked at.
TICK_S = 0.02
OBSERVE_S = 1.0
# How often it is asked whether a flush is due.
PACE_S = 0.05


class WorkerRuntime:
    """Everything of a worker but its agents."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self._clock = settings, clock
        self.metrics = WorkerMetrics()
        self.knowledge = Knowledge(settings, clock)
        self._sender = RecordSender(settings)
        skew = SkewSampler(settings.catalogue.schema_, clock, self.metrics)
        self._lists = ListCapture(self.knowledge.items, self.knowledge.index, skew.watch)
        self._serving = Serving(
            settings,
            clock,
            knowledge=self.knowledge,
            lists=self._lists,
            sender=self._sender,
            metrics=self.metrics,
            partition_of=self._partition_of,
        )
        self._models = ModelFollower(settings, clock, self._serving.scorer, self.metrics, self._on_model)
        self._server = RoleServer(
            name=settings.worker.instance_id or "worker",
            role="worker",
            data_dir=settings.data_dir,
            registry=self.metrics.registry,
            is_ready=lambda: self._is_ready,
            status=self._status,
            port=settings.worker.metrics_port,
        )
        self._pace = FlushPace(settings.worker.flush_interval_s, settings.worker.backlog_flush_interval_s)
        self._has_started = False
        # One chunk, then the event loop: a flush's transaction takes ten rounds of it, in limited time.
        self._turn = asyncio.Lock()
        self._refreshes = RefreshLoop(self._serving, self._turn)
        self._num_events = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.read_lags: Callable[[], list[PartitionLag]] = list

    async def start(self, crash: Crash) -> None:
        """Bring everything up that the agents need. Raises BrokerUnreachableError, StateError."""
        heap.prepare()
        await self._server.start()
        await asyncio.to_thread(warm_up, self.settings)
        await await_broker(self.settings)
        await self._sender.start()
        repo = await asyncio.to_thread(prepare_repo, self.settings, self.settings.data_dir / "feature_repo")
        self._writer = await asyncio.to_thread(FeatureRowWriter, repo, self.settings)
        self._rows = RowPartitions(self._writer, self.knowledge)
        self._partitions = PartitionSet(
            self.settings,
            self._clock,
            knowledge=self.knowledge,
            lists=self._lists,
            sender=self._sender,
            rows=self._writer,
        )
        await self.knowledge.start()
        await self._models.start()
        erasure = HistoryErasure(self._clock, self._writer, self._partitions)
        refusals = ItemRefusals(self.settings, self._clock, self.knowledge, self._partitions, self.metrics)
        self._crash = crash
        self.assignment = Assignment(self._partitions, self._rows, self.metrics, self._guarded)
        loops = (self._flush_loop, self._tick_loop, self._observe_loop, self._refreshes.run, erasure.run, refusals.run)
        self._tasks = [asyncio.create_task(self._guarded(loop)) for loop in loops]
        self._has_started = True

    async def stop(self, leave_group: Callable[[], Awaitable[None]]) -> None:
        """Flush, give everything back, leave the group: others go on from here. Then close what may take its time."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.assignment.settled()
        await self._partitions.flush_last()
        # Others open partitions as soon as this one has left, and wait for rows that are still held.
        await asyncio.gather(leave_group(), self._rows.release_all(), self._partitions.close())
        await asyncio.to_thread(self._writer.close)
        await self._models.stop()
        await self.knowledge.stop()
        await self._sender.stop()
        await self._server.stop()

    def hurry(self) -> None:
        """Chunks must be acknowledged before partitions move: flush soon."""
        self._pace.hurry(self._clock.monotonic_s())

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # whatever it is, going on would lose data
            log.exception("worker_failed", reason=str(error))
            await self._crash(error)

    async def _flush_loop(self) -> None:
        while True:
            await asyncio.sleep(min(PACE_S, self.settings.worker.flush_interval_s))
            started_s = self._clock.monotonic_s()
            if not self._pace.is_due(started_s):
                continue
            # Shielded: a flush that is cut short could not be repeated.
            await asyncio.shield(asyncio.ensure_future(self._partitions.flush()))
            heap.set_aside()
            ended_s = self._clock.monotonic_s()
            self._pace.flushed(started_s, ended_s)
            self.metrics.flush_s.labels("all").observe(ended_s - started_s)
            await asyncio.to_thread(self._writer.publish_due_history)

    async def _tick_loop(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.knowledge.refresh(self._partitions.max_event_ms or self._clock.now_ms())
            for number, at_ms in self._partitions.overdue().items():
                await self._sender.send([watermark(self.settings, number, at_ms)])
            for part in (self.knowledge.catalogue, self.knowledge.item_counts, self._models):
                failed = part.failed()
                if failed is not None:
                    raise failed

    async def _observe_loop(self) -> None:
        seen: set[tuple[str, int]] = set()
        while True:
            await asyncio.sleep(OBSERVE_S)
            now_ms, group = self._clock.now_ms(), self.settings.worker_group
            seen = observe_lags(self.metrics.consumer, group, self.read_lags(), now_ms, seen)
            self._models.observe_age()
            self.metrics.ready.set(self._is_ready)
            for rule, number in self._serving.given_up().items():
                self.metrics.sheds.labels(rule).inc(number)
            self.metrics.open_slates.set(self._partitions.num_open_slates)
            self.metrics.state_bytes.set(await asyncio.to_thread(self._partitions.state_bytes))
            self.metrics.restored.inc(self._partitions.take_restored())

    async def write_item_rows(self, number: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Take a chunk of `item-counts` and write the rows of its items."""
        await self.assignment.opened()
        async with self._turn:
            slots = self.knowledge.on_item_counts(number, records)
            await asyncio.sleep(0)
        await self._rows.write_items(np.array(sorted(set(slots)), np.int32))

    async def ingest(self, number: int, records: Sequence[SourceRecord], ack: Callable[[], Any]) -> None:
        """Process a chunk of `events`; `ack` is called once everything it gave is durable."""
        await self.assignment.opened()
        partition = self._partitions.owned[number]
        async with self._turn:
            started_s = self._clock.monotonic_s()
            outputs = partition.engine.process(records)
            self.metrics.chunk_s.labels("process").observe(self._clock.monotonic_s() - started_s)
            self.metrics.chunk_records.observe(len(records))
            self._num_events += len(records)
            self._serving.schedule.chunk_taken(records[-1].timestamp, self._clock.now_ms())
            self._partitions.noted(number)
            sent = output_records(self.settings, outputs, number, self._clock.now_ms())
            partition.add(sent, [forgotten.user_id for forgotten in outputs.forgotten], ack, len(records))
            observe(self.metrics, outputs)
            self._serving.take(partition, outputs)
            is_full = len(records) >= self.settings.worker.chunk_records
            self._pace.chunk_taken(self._clock.monotonic_s(), is_full=is_full)
            await asyncio.sleep(0)
        self._refreshes.chunk_taken()
        await self._partitions.room(partition)

    @property
    def _is_ready(self) -> bool:
        return self._has_started and self.assignment.is_open

    def _partition_of(self, number: int) -> OpenPartition | None:
        return self._partitions.owned.get(number)

    def _on_model(self) -> None:
        self._serving.schedule.model_changed(self._clock.now_ms())

    def _status(self) -> dict[str, Any]:
        return {
            "model_version": self._serving.scorer.version,
            "partitions": sorted(self._partitions.owned) if self._is_ready else [],
            "events": self._num_events,
            "rankings": self._serving.num_published,
            "catalogue_offsets": {str(n): offset for n, offset in self.knowledge.catalogue.positions.items()},
        }
