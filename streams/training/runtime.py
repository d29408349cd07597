"""The trainer process around its agent: buffer in, rounds beside, announcements out.

The event loop stays free: examples are written as they come, rounds run in one thread of low priority. Any failure of a
background task ends the process, and its supervisor starts it anew from the last saved state.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
import torch
from aiokafka.structs import ConsumerRecord

from streams.clock import Clock
from streams.kafka.await_broker import await_broker
from streams.kafka.partition_lag import PartitionLag
from streams.kafka.record_sender import OutRecord, RecordSender
from streams.kafka.tail import TopicTail
from streams.observability.consumer_lag import observe_lags
from streams.observability.metrics import TrainerMetrics
from streams.observability.web import RoleServer
from streams.settings import Settings
from streams.topics import topic_specs
from streams.training.announcement import (
    KEY,
    NUM_BEFORE,
    Cause,
    announcement_of,
    decode_announcement,
    encode_announcement,
)
from streams.training.example_intake import ExampleIntake
from streams.training.replay_buffer import ReplayBuffer
from streams.training.round_hold import RoundHold
from streams.training.round_outcome import tell_round
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
        # Linux counts niceness per thread: learning yields to others, taking examples in does not.
        self._thread = ThreadPoolExecutor(1, "rounds", initializer=os.nice, initargs=(settings.training.nice,))
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
        self._hold = RoundHold(settings.data_dir)
        self._announced = 0
        self._is_ready = self._is_running = self._has_news = False
        self._last_round: dict[str, Any] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.read_lags: Callable[[], list[PartitionLag]] = list

    async def start(self, crash: Crash) -> None:
        """Open the buffer, load state and champion, and start the rounds. Raises StateError, BrokerUnreachableError."""
        torch.set_num_threads(self.settings.training.threads)
        await self._server.start()
        await await_broker(self.settings)
        await self._sender.start()
        folder = self.settings.data_dir / "buffer"
        days, max_bytes = self.settings.training.buffer_days, self.settings.training.buffer_max_bytes
        self.buffer = await asyncio.to_thread(ReplayBuffer, folder, buffer_days=days, buffer_max_bytes=max_bytes)
        self.intake = ExampleIntake(self.settings, self._clock, self.buffer, self._sender.send, self.metrics)
        self._rounds: Rounds = await self._in_thread(Rounds, self.settings, self.buffer)
        await self._tail.start()
        champion = self._rounds.registry.champions().version
        if champion not in {0, self._announced}:
            is_new = self._rounds.registry.about(champion).get("cause") == "bootstrap"
            await self._announce("bootstrap" if is_new else "restart")
        loops = (self._round_loop, self._trim_loop, self._observe_loop)
        self._tasks = [asyncio.create_task(self._guarded(loop, crash)) for loop in loops]
        self._is_ready = True
        self.metrics.ready.set(1)

    async def stop(self, leave_group: Callable[[], Awaitable[None]]) -> None:
        """Let a running round end, close everything, leave the group: nobody waits for it."""
        self._is_ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._in_thread(self._rounds.close)
        await asyncio.to_thread(self._thread.shutdown)
        await self._tail.stop()
        await self._sender.stop()
        self.buffer.close()
        await leave_group()
        await self._server.stop()

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    async def _guarded(self, loop: Callable[[], Awaitable[None]], crash: Crash) -> None:
        try:
            await loop()
        except Exception as error:
            log.exception("trainer_failed", reason=str(error))
            await crash(error)

    async def _round_loop(self) -> None:
        ended_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(TICK_S)
            if self._has_news:
                self._has_news = False
                await self._in_thread(self._rounds.succession.follow)
            num = num_due(self.settings.training, self._rounds.num_waiting, self._clock.monotonic_s() - ended_s)
            # A hold that a killed evaluation left behind in its folder stops nobody who trains by the clock.
            if num and not (self.settings.training.round_interval_s is None and self._hold.is_on):
                await self._run_round(num)
                ended_s = self._clock.monotonic_s()

    async def _run_round(self, num_slates: int) -> None:
        self._is_running = True
        started_s = self._clock.monotonic_s()
        report, published = await self._in_thread(self._rounds.run, num_slates, self._clock.now_ms())
        seconds = self._clock.monotonic_s() - started_s
        self._last_round = tell_round(self.metrics, report, published, seconds)
        if report.live.restored:
            await self._announce("rollback")
        elif published is not None:
            await self._announce("round")
        self._is_running = False

    async def _announce(self, cause: Cause) -> None:
        """Say which version is the champion; workers load it."""
        registry = self._rounds.registry
        version = registry.champions().version
        announcement = announcement_of(
            self.settings,
            version,
            registry.path(version),
            cause=cause,
            published_at_ms=self._clock.now_ms(),
            before=registry.folders_before(NUM_BEFORE),
        )
        self._announced = version
        topic = self._topics["model-updates"].name
        await self._sender.send([OutRecord(topic, KEY, encode_announcement(announcement))])

    def _on_announcements(self, _: int, records: Records) -> None:
        """Another process may promote or roll back: the gate then compares with that champion."""
        for record in records:
            if record.value is not None:
                try:
                    announcement = decode_announcement(record.value)
                except ValueError as error:
                    self.metrics.rejects.labels("not_an_announcement").inc()
                    log.warning("model_announcement_refused", offset=record.offset, reason=str(error))
                    continue
                self._has_news = self._has_news or announcement.cause in {"promote", "rollback"}
                self._announced = announcement.version

    async def _trim_loop(self) -> None:
        while True:
            await asyncio.sleep(TRIM_EVERY_S)
            await asyncio.to_thread(self.buffer.trim, self.buffer.event_time_ms)

    async def _observe_loop(self) -> None:
        seen: set[tuple[str, int]] = set()
        num_lost = self.buffer.labels_without_shown
        while True:
            await asyncio.sleep(OBSERVE_S)
            if (failed := self._tail.failed()) is not None:
                raise failed
            now_ms, group = self._clock.now_ms(), self.settings.trainer_group
            seen = observe_lags(self.metrics.consumer, group, self.read_lags(), now_ms, seen)
            self.metrics.slates_waiting.set(self._rounds.num_waiting)
            self.metrics.champion_version.set(self._rounds.registry.champions().version)
            self.metrics.buffer_slates.set(self.buffer.num_slates)
            self.metrics.buffer_bytes.set(self.buffer.num_bytes)
            self.metrics.labels_without_shown.inc(self.buffer.labels_without_shown - num_lost)
            num_lost = self.buffer.labels_without_shown

    def _status(self) -> dict[str, Any]:
        if not self._is_ready:
            return {}
        registry = self._rounds.registry
        return {
            "slates_waiting": self._rounds.num_waiting,
            "round_running": self._is_running,
            "rounds": self._rounds.progress.num_rounds,
            "published_version": max(registry.numbers(), default=0),
            "champion_version": registry.champions().version,
            "last_round": self._last_round,
        }
