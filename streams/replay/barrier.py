"""Waits until worker and trainer stand still: all consumed, then any due round decided, its model loaded.

The order of the questions matters: what the worker has committed of `events` is all it will ever send for them, so the
ends of the other topics are only asked for then. One reading of each is enough.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from streams.clock import Clock
from streams.errors import StalledError
from streams.kafka.group_offsets import GroupOffsets, Place
from streams.observability.status_reader import read_status
from streams.settings import Settings
from streams.topics import topic_specs
from streams.training.round_hold import RoundHold

__all__ = ["Barrier", "is_decided"]

_POLL_S = 0.01
_STALL_S = 120.0


def is_decided(trainer: Mapping[str, Any] | None, worker: Mapping[str, Any] | None, round_slates: int) -> bool:
    """Whether, by their statuses, no round runs or is due and the worker serves the trainer's champion."""
    if not trainer or not worker or "slates_waiting" not in trainer:
        return False
    is_idle = not trainer["round_running"] and trainer["slates_waiting"] < round_slates
    return is_idle and bool(worker.get("model_version") == trainer["champion_version"])


class Barrier:
    """`urls` gives the base addresses of the ready roles, by name; a role that restarts is waited for.

    Rounds start in `wait` alone, once all that they learn from is in the buffer; `close` lets them start by themselves.
    """

    def __init__(
        self, settings: Settings, offsets: GroupOffsets, urls: Callable[[], Mapping[str, str]], clock: Clock
    ) -> None:
        self._settings, self._offsets, self._urls, self._clock = settings, offsets, urls, clock
        self._topics = {short: spec.name for short, spec in topic_specs(settings).items()}
        self._hold = RoundHold(settings.data_dir)
        self._hold.put()

    async def wait(self, sent: Mapping[Place, int]) -> None:
        """Return when all consequences of `sent` (end offsets on `events`) are there. Raises StalledError."""
        worker, trainer = self._settings.worker_group, self._settings.trainer_group
        events = {place: offset for place, offset in sent.items() if place[0] == self._topics["events"]}
        await self._until(lambda: self._offsets.has_committed(worker, events), "the worker has not taken the events")
        ends = await asyncio.to_thread(
            self._offsets.ends, [self._topics["item-counts"], self._topics["training-examples"]]
        )
        counts = {place: end for place, end in ends.items() if place[0] == self._topics["item-counts"]}
        examples = {place: end for place, end in ends.items() if place[0] == self._topics["training-examples"]}
        await self._until(lambda: self._offsets.has_committed(worker, counts), "item counts are not in Feast")
        await self._until(lambda: self._offsets.has_committed(trainer, examples), "the trainer has not taken examples")
        self._hold.lift()
        await self._until(self._is_decided, "a round is not decided, or its model not loaded")
        self._hold.put()

    def close(self) -> None:
        """Hold nothing back any longer."""
        self._hold.lift()

    def _is_decided(self) -> bool:
        urls = self._urls()
        trainer = read_status(urls["trainer"]) if "trainer" in urls else None
        worker = next((read_status(url) for name, url in urls.items() if name.startswith("worker")), None)
        return is_decided(trainer, worker, self._settings.training.round_slates)

    async def _until(self, is_true: Callable[[], bool], what: str) -> None:
        began_s = self._clock.monotonic_s()
        while not await asyncio.to_thread(is_true):
            if self._clock.monotonic_s() - began_s > _STALL_S:
                raise StalledError(
                    f"{what} after {_STALL_S:.0f} s; needed: a running worker and trainer; "
                    f"see their logs in {self._settings.data_dir / 'logs'}"
                )
            await asyncio.sleep(_POLL_S)
