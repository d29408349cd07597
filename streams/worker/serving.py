"""Lists out: requests answered, users' surfaces refreshed after what they did or when a model comes.

Scoring is one batch for all lists of a chunk. A list is on its way before the chunk's state is durable; the flush waits
until Kafka has it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import uuid4

from streams.clock import Clock
from streams.kafka.partitioner import partition_for
from streams.kafka.record_sender import OutRecord, RecordSender
from streams.observability.metrics import WorkerMetrics
from streams.ranking.pipeline import rank
from streams.ranking.record import MadeList
from streams.ranking.rerank import DueRerank, RerankSchedule
from streams.ranking.scorer import Scorer
from streams.ranking.task import RankTask
from streams.ranking.value_model import check_score_weights
from streams.settings import Settings
from streams.worker.knowledge import Knowledge
from streams.worker.list_capture import ListCapture
from streams.worker.open_partition import OpenPartition
from streams.worker.outputs import Outputs
from streams.worker.sent_records import ranking_records, tombstones

__all__ = ["Serving"]

# Requests scored in one go: bounds how long the event loop is held.
MAX_BATCH = 64
# Refreshes in one go, and how long they rest then, as a multiple of what the last ones took: events and requests go
# first, so refreshes get at most a third of the worker's time. Under overload they coalesce and are shed.
MAX_REFRESHES = 16
REST_FACTOR = 2.0


class Asked(NamedTuple):
    """A list to make; `appended_at_ms`: of what asked for it."""

    partition: OpenPartition
    task: RankTask
    appended_at_ms: int


class Serving:
    """Scores and publishes. `partition_of` gives the open partition of a number, or None when it is not ours.

    Raises SettingsError when a score weight names no task.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        knowledge: Knowledge,
        lists: ListCapture,
        sender: RecordSender,
        metrics: WorkerMetrics,
        partition_of: Callable[[int], OpenPartition | None],
    ) -> None:
        check_score_weights(settings.score_weights, [task.name for task in settings.labels.tasks])
        self.scorer = Scorer(settings.ranking)
        self.schedule = RerankSchedule(settings.ranking)
        self.num_published = 0
        self._rest_until_s = 0.0
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._knowledge, self._sender, self._partition_of = knowledge, sender, partition_of
        self._lists = lists

    def take(self, partition: OpenPartition, outputs: Outputs) -> None:
        """Answer the requests of a chunk, and note what its events made stale."""
        now_ms = self._clock.now_ms()
        asked: list[Asked] = []
        for due in outputs.ranks:
            if due.deadline_ms is not None and now_ms > due.appended_at_ms + due.deadline_ms:
                self._metrics.expired.inc()
            else:
                asked.append(Asked(partition, due.task, due.appended_at_ms))
        for forgotten in outputs.forgotten:
            self.schedule.forget(forgotten.user_id)
            # Before newer lists, as these may be of a user who comes back, and after those that are under way.
            gone = tombstones(self._settings, forgotten)
            partition.wait_for(asyncio.create_task(self._retract(partition.under_way, gone)))
        for trigger in outputs.triggers:
            self.schedule.trigger(trigger.user_id, trigger.surface, trigger.appended_at_ms, now_ms)
        for start in range(0, len(asked), MAX_BATCH):
            self._publish(asked[start : start + MAX_BATCH])

    def refresh_due(self) -> None:
        """Refresh surfaces whose turn has come, unless refreshes rest."""
        started_s = self._clock.monotonic_s()
        if started_s >= self._rest_until_s:
            self._refresh(self.schedule.due(self._clock.now_ms(), MAX_REFRESHES))
            ended_s = self._clock.monotonic_s()
            self._rest_until_s = ended_s + REST_FACTOR * (ended_s - started_s)

    def given_up(self) -> dict[str, int]:
        """Refreshes given up since the last call, by rule: merged into a waiting one, or too old to be worth it."""
        found = {"coalesced": self.schedule.num_coalesced, "too_old": self.schedule.num_shed}
        self.schedule.num_coalesced = self.schedule.num_shed = 0
        return found

    def _refresh(self, due: Sequence[DueRerank]) -> None:
        asked: list[Asked] = []
        for rerank in due:
            partition = self._partition_of(partition_for(rerank.user_id, self._settings.num_partitions))
            if partition is not None:
                asked.append(Asked(partition, self._own_task(partition, rerank), rerank.appended_at_ms))
        if asked:
            self._publish(asked)

    def _own_task(self, partition: OpenPartition, rerank: DueRerank) -> RankTask:
        engine = partition.engine
        return self._lists.own_list(
            engine.state.user(rerank.user_id),
            slate_id=uuid4().hex,
            surface=rerank.surface,
            cause=rerank.cause,
            k=self._settings.ranking.k,
            now_ms=engine.state.max_event_ms,
            watermark_ms=engine.watermark_ms,
        )

    def _publish(self, asked: Sequence[Asked]) -> None:
        """All in one batch: a list scored alone costs some times as much. Each partition waits for its own lists."""
        tasks = [one.task for one in asked]
        made = rank(tasks, self._knowledge.items, self.scorer, self._settings, self._clock.now_ms())
        lists_of: dict[int, list[tuple[Asked, MadeList]]] = {}
        for one, of_it in zip(asked, made, strict=True):
            one.partition.engine.note_list(of_it)
            lists_of.setdefault(one.partition.engine.state.number, []).append((one, of_it))
        for lists in lists_of.values():
            records = ranking_records(self._settings, [of_it for _, of_it in lists])
            sending = self._send(records, [of_it for _, of_it in lists], [one.appended_at_ms for one, _ in lists])
            lists[0][0].partition.wait_for(asyncio.create_task(sending))

    async def _retract(self, under_way: Sequence[asyncio.Task[None]], gone: Sequence[OutRecord]) -> None:
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._sender.send(gone)

    async def _send(self, records: Sequence[OutRecord], made: Sequence[MadeList], appended_ms: Sequence[int]) -> None:
        await self._sender.send(records)
        now_ms = self._clock.now_ms()
        self.num_published += len(made)
        for one, at_ms in zip(made, appended_ms, strict=True):
            cause, known_ms = one.record["cause"], one.record["features_as_of_ms"]
            self._metrics.rankings.labels(cause).inc()
            self._metrics.event_to_ranking_s.labels(cause).observe(max(now_ms - at_ms, 0) / 1000)
            self._metrics.feature_age_s.observe(max(now_ms - known_ms, 0) / 1000)
