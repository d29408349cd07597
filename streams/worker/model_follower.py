"""The serving model: the newest announced version, swapped in while lists are being scored.

A version that cannot be loaded is refused with its reason and counted; the one before goes on serving.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from aiokafka.structs import ConsumerRecord

from models.checkpoint_errors import CheckpointError
from models.tasks import task_hash
from streams.clock import Clock
from streams.kafka.tail import TopicTail
from streams.observability.metrics import WorkerMetrics
from streams.ranking.scorer import Scorer, load_model
from streams.settings import Settings
from streams.topics import topic_specs
from streams.training.announcement import Announcement, decode_announcement

__all__ = ["ModelFollower"]

log = structlog.get_logger(__name__)


class ModelFollower:
    """Follows `model-updates`. `on_swap` is called after a new version serves."""

    def __init__(
        self, settings: Settings, clock: Clock, scorer: Scorer, metrics: WorkerMetrics, on_swap: Callable[[], None]
    ) -> None:
        self._settings, self._clock, self._scorer, self._metrics = settings, clock, scorer, metrics
        self._on_swap = on_swap
        self._newest: Announcement | None = None
        self._published_at_ms: int | None = None
        self._changed = asyncio.Event()
        self._tail = TopicTail(settings, topic_specs(settings)["model-updates"].name, self._on_records)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the newest announced version before anything is scored, then follow."""
        await self._tail.start()
        await self._load()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._tail.stop()

    def failed(self) -> BaseException | None:
        """What ended the following, if anything did."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            return self._task.exception()
        return self._tail.failed()

    def _on_records(self, _: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        for record in records:
            if record.value is None:
                continue
            try:
                self._newest = decode_announcement(record.value)
            except ValueError as error:
                self._metrics.models_refused.labels("not_an_announcement").inc()
                log.warning("model_announcement_refused", offset=record.offset, reason=str(error))
            else:
                self._changed.set()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await self._load()

    async def _load(self) -> None:
        self._changed.clear()
        newest = self._newest
        if newest is None or newest.version == self._scorer.version:
            return
        is_swapped = await self._swap(newest.location)
        # A worker that starts while the newest version is damaged serves one before it, as those that run do.
        for location in newest.before:
            if is_swapped or self._scorer.version:
                break
            is_swapped = await self._swap(location)
        if is_swapped:
            self._published_at_ms = newest.published_at_ms
            self._metrics.model_version.set(self._scorer.version)
            log.info("model_swapped", model_version=self._scorer.version)
            self._on_swap()

    async def _swap(self, location: str) -> bool:
        folder = Path(location)
        if not folder.is_absolute():
            folder = self._settings.data_dir / "models" / folder
        hashes = self._settings.catalogue.schema_.hash, task_hash(self._settings.labels.tasks)
        try:
            self._scorer.swap(await asyncio.to_thread(load_model, folder, *hashes))
        except CheckpointError as error:
            self._metrics.models_refused.labels(type(error).__name__).inc()
            log.warning("model_refused", folder=location, serving=self._scorer.version, reason=str(error))
            return False
        return True

    def observe_age(self) -> None:
        """Set the gauge of the serving model's age."""
        if self._published_at_ms is not None:
            self._metrics.model_age_s.set(max(self._clock.now_ms() - self._published_at_ms, 0) / 1000)
