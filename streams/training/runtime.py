"""The trainer process around its agent: buffer in, rounds beside, announcements out.

The event loop stays free: examples are written as they come, rounds run in one thread. Any failure of a background task
ends the process, and its supervisor starts it anew from the last saved state.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import structlog
import torch
from aiokafka.structs import ConsumerRecord

from streams.clock import Clock
from streams.examples.records import Labels, Shown, decode_record
from streams.kafka.partition_lag import PartitionLag
from streams.kafka.record_sender import OutRecord, RecordSender
from streams.kafka.tail import TopicTail
from streams.observability.consumer_lag import observe_lags
from streams.observability.metrics import TrainerMetrics
from streams.observability.web import RoleServer
from streams.settings import Settings
from streams.topics import topic_specs
from streams.training.announcement import KEY, announcement_of, decode_announcement, encode_announcement
from streams.training.learner import RoundReport
from streams.training.replay_buffer import ReplayBuffer
from streams.training.rounds import Rounds
from streams.training.schedule import num_due

__all__ = ["TrainerRuntime"]

log = structlog.get_logger(__name__)
Crash = Callable[[BaseException], Awaitable[None]]
Records = Sequence[ConsumerRecord[bytes, bytes]]
TICK_S = 0.02
TRIM_EVERY_S = 60.0
OBSERVE_S = 1.0


class TrainerRuntime:
    """Everything of the trainer but its agent."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self._clock = settings, clock
        self.metrics = TrainerMetrics()
        self._topics = topic_specs(settings)
        self._sender = RecordSender(settings)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rounds")
        self._server = RoleServer(
            name="trainer",
            role="trainer",
            data_dir=settings.data_dir,
            registry=self.metrics.registry,
            is_ready=lambda: self._is_ready,
            status=self._status,
            port=settings.training.metrics_port,
        )
        self._tail = TopicTail(settings, self._topics["model-updates"].name, self._on_announcements)
        self._announced = 0
        self._is_ready = self._is_running = self._has_news = False
        self._last_round: dict[str, Any] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.read_lags: Callable[[], list[PartitionLag]] = list

    async def start(self, crash: Crash) -> None:
        """Open the buffer, load state and champion, and start the rounds."""
        os.nice(self.settings.training.nice)
        torch.set_num_threads(self.settings.training.threads)
        await self._server.start()
        await self._sender.start()
        folder = self.settings.data_dir / "buffer"
        days, max_bytes = self.settings.training.buffer_days, self.settings.training.buffer_max_bytes
        self.buffer = await asyncio.to_thread(ReplayBuffer, folder, buffer_days=days, buffer_max_bytes=max_bytes)
        self._rounds = await self._in_thread(Rounds, self.settings, self.buffer)
        await self._tail.start()
        if self._rounds.registry.champions().version > self._announced:
            await self._announce("restart")
        loops = (self._round_loop, self._trim_loop, self._observe_loop)
        self._tasks = [asyncio.create_task(self._guarded(loop, crash)) for loop in loops]
        self._is_ready = True

    async def stop(self) -> None:
        """Let a running round end, then close everything."""
        self._is_ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)
        await self._tail.stop()
        await self._sender.stop()
        self.buffer.close()
        await self._server.stop()

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    async def _guarded(self, loop: Callable[[], Awaitable[None]], crash: Crash) -> None:
        try:
            await loop()
        except Exception as error:
            log.exception("trainer_failed", reason=str(error))
            await crash(error)

    async def take(self, partition: int, records: Records) -> None:
        """Put a chunk of `training-examples` into the buffer, with the offset after it."""
        taken: list[tuple[int, Shown | Labels]] = []
        for record in records:
            try:
                taken.append((record.offset, decode_record(record.value or b"")))
            except ValueError as error:
                self.metrics.rejects.labels("not_an_example").inc()
                log.warning("example_refused", partition=partition, offset=record.offset, reason=str(error))
        await asyncio.to_thread(self.buffer.append, partition, taken, records[-1].offset + 1)
        for _, example in taken:
            if isinstance(example, Shown):
                self.metrics.slates.inc()
            else:
                self.metrics.labels.labels(example.task).inc()

    async def _round_loop(self) -> None:
        ended_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(TICK_S)
            if self._has_news:
                self._has_news = False
                await self._in_thread(self._rounds.follow_champion)
            num = num_due(self.settings.training, self._num_waiting(), self._clock.monotonic_s() - ended_s)
            if num:
                await self._run_round(num)
                ended_s = self._clock.monotonic_s()

    async def _run_round(self, num: int) -> None:
        self._is_running = True
        started_s = self._clock.monotonic_s()
        entries = await self._in_thread(self._rounds.entries, num)
        report, published = await self._in_thread(self._rounds.run, entries, self._clock.now_ms())
        seconds = self._clock.monotonic_s() - started_s
        self._observe(report, published, seconds)
        if published is not None:
            await self._announce("round")
        self._is_running = False

    async def _announce(self, cause: Literal["round", "restart"]) -> None:
        """Say which version is the champion; workers load it."""
        registry = self._rounds.registry
        version = registry.champions().version
        announcement = announcement_of(
            self.settings, version, registry.path(version), cause=cause, published_at_ms=self._clock.now_ms()
        )
        self._announced = version
        topic = self._topics["model-updates"].name
        await self._sender.send([OutRecord(topic, KEY, encode_announcement(announcement))])

    def _on_announcements(self, _: int, records: Records) -> None:
        """Another process may promote or roll back: the gate then compares with that champion."""
        for record in records:
            if record.value is not None:
                announcement = decode_announcement(record.value)
                self._has_news = self._has_news or announcement.cause in {"promote", "rollback"}
                self._announced = announcement.version

    def _observe(self, report: RoundReport, published: int | None, seconds: float) -> None:
        decision = "refused" if published is None else "published"
        self._last_round = {**report.as_json(), "decision": decision, "version": published, "seconds": seconds}
        self.metrics.rounds.labels(decision).inc()
        self.metrics.round_s.observe(seconds)
        for task, found in report.progressive.items():
            for name in ("normalised_entropy", "pcoc", "auc"):
                if name in found:
                    getattr(self.metrics, name).labels(task).set(found[name])
        for task, loss in report.losses.items():
            self.metrics.loss.labels(task).set(loss)
        self.metrics.published_version.set(self._rounds.registry.champions().version)
        log.info(
            "round_ended",
            decision=decision,
            model_version=published,
            num_slates=report.num_slates,
            seconds=round(seconds, 3),
            reason=report.gate.reason,
            click=report.progressive.get("click", {}),
        )

    async def _trim_loop(self) -> None:
        while True:
            await asyncio.sleep(TRIM_EVERY_S)
            await asyncio.to_thread(self.buffer.trim, self.buffer.event_time_ms)

    async def _observe_loop(self) -> None:
        seen: set[tuple[str, int]] = set()
        while True:
            await asyncio.sleep(OBSERVE_S)
            now_ms, group = self._clock.now_ms(), self.settings.trainer_group
            seen = observe_lags(self.metrics.consumer, group, self.read_lags(), now_ms, seen)
            self.metrics.slates_waiting.set(self._num_waiting())
            self.metrics.champion_version.set(self._rounds.registry.champions().version)
            self.metrics.buffer_slates.set(self.buffer.num_slates)
            self.metrics.buffer_bytes.set(self.buffer.num_bytes)

    def _num_waiting(self) -> int:
        return self.buffer.num_ready(self._rounds.progress.cursor)

    def _status(self) -> dict[str, Any]:
        if not self._is_ready:
            return {}
        champion = self._rounds.registry.champions().version
        return {
            "slates_waiting": self._num_waiting(),
            "round_running": self._is_running,
            "rounds": self._rounds.progress.num_rounds,
            "published_version": champion,
            "champion_version": champion,
            "last_round": self._last_round,
        }
