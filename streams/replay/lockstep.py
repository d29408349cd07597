"""A log through the real broker, worker and trainer in lock-step, so that the result depends on log and seed alone.

A step's events go to Kafka as one batch, which reaches the worker as one chunk: every list of it is scored by one
model, and nothing that follows from the step begins before all of it is scored. Then the barrier (barrier.py).
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from streams.clients.rankings_consumer import RankingsConsumer
from streams.clock import Clock
from streams.events.checked_log import CheckedRecord
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.kafka.group_offsets import GroupOffsets
from streams.replay.barrier import Barrier
from streams.replay.catalogue_barrier import wait_for_catalogue
from streams.replay.evaluation import Evaluation
from streams.replay.steps import Step, cut_steps
from streams.settings import Settings
from streams.supervisor.deployment import Deployment

__all__ = ["LockstepRun", "lockstep_settings"]

CLICK_WINDOW_S = 10.0
# More than a step has: a step must be one chunk.
_CHUNK_RECORDS = 20_000
_BATCH_BYTES = 1 << 20
_POLL_MS = 200
_EMPTY_POLLS_MAX = 5


def lockstep_settings(
    base: Settings, data_dir: Path, fields: tuple[tuple[str, ...], tuple[str, ...]], seed: int
) -> Settings:
    """Settings under which nothing depends on wall time: one partition, rounds by rows, no lists of our own."""
    affinity, numbers = fields
    section = {
        "catalogue": {"affinity": affinity, "numbers": numbers},
        "worker": {
            "chunk_records": _CHUNK_RECORDS, "flush_interval_s": 0.03, "backlog_flush_interval_s": 0.03,
            "commit_interval_s": 0.03,
        },
        "labels": {"window_overrides_s": {**base.labels.window_overrides_s, "click": CLICK_WINDOW_S}},
        "ranking": {"surfaces": (), "rerank_active_users": 0, "explore_frac": 0.0},
        "training": {"round_slates": 64, "round_interval_s": None, "seed": seed},
    }  # fmt: skip
    sections = {name: getattr(base, name).model_copy(update=update) for name, update in section.items()}
    return base.model_copy(update={"data_dir": data_dir, "num_partitions": 1, **sections})


@dataclass(slots=True)
class LockstepRun:
    """One log through one ready deployment. `tell` gets the events of each step that is through."""

    deployment: Deployment
    evaluation: Evaluation
    clock: Clock
    tell: Callable[[list[Mapping[str, Any]]], None]

    async def run(self, records: Iterable[CheckedRecord]) -> None:
        """Send everything, step by step; answers are in `evaluation` afterwards. Raises FreshrankError."""
        settings = self.deployment.settings
        with (
            GroupOffsets(settings) as offsets,
            RankingsConsumer(settings=settings, start="beginning") as rankings,
            closing(Barrier(settings, offsets, self._urls, self.clock)) as barrier,
        ):
            async with BulkSender(settings, batch_bytes=_BATCH_BYTES) as sink:
                for step in cut_steps(records, self.evaluation):
                    await self._apply(step, sink, settings)
                    await barrier.wait(sink.offsets)
                    self._collect(step, rankings)
                    self.tell(step.events)

    def _urls(self) -> dict[str, str]:
        supervisor = self.deployment.supervisor
        return supervisor.role_urls if supervisor is not None else {}

    async def _apply(self, step: Step, sink: BulkSender, settings: Settings) -> None:
        catalogue, events = f"{settings.topic_prefix}catalogue", f"{settings.topic_prefix}events"
        if step.items:
            await sink.send(BulkRecord(catalogue, item.key, item.raw) for item in step.items)
            await sink.flush()
            reached = {place[1]: offset for place, offset in sink.offsets.items() if place[0] == catalogue}
            await wait_for_catalogue(settings.data_dir, reached, self.clock)
        await sink.send(BulkRecord(events, event["user_id"], orjson.dumps(event)) for event in step.events)
        await sink.flush()

    def _collect(self, step: Step, rankings: RankingsConsumer) -> None:
        """Read the answers to a step's lists; they are in the log already."""
        num_missing, num_empty = len(step.lists), 0
        while num_missing and num_empty < _EMPTY_POLLS_MAX:
            found = rankings.poll(_POLL_MS)
            num_empty = 0 if found else num_empty + 1
            num_missing -= sum(self.evaluation.take_ranking(ranking.model_dump()) for ranking in found)
