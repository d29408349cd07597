"""Waits until worker and trainer have consumed everything, told by what they committed to Kafka.

A commit comes after everything it covers is durable, Feast rows included, so lag 0 says that the rows are there. One
reading is not enough: a worker at the end of `events` may have appended to `item-counts` after the reading of it.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from streams.clock import Clock
from streams.errors import StalledError
from streams.kafka.lag import LagReport, our_groups
from streams.kafka.lag_reader import read_lag
from streams.replay.progress import Report
from streams.settings import Settings

__all__ = ["SettledView", "wait_until_consumed"]

POLL_S = 0.25


class SettledView:
    """Judges successive readings: settled when two in a row say that nothing waits and nothing was appended between."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._ends: Mapping[tuple[str, str, int], int] | None = None
        self._moved_s: float | None = None
        self._places: frozenset[_Place] = frozenset()

    def is_settled(self, report: LagReport, now_s: float) -> bool:
        """Take one reading. Raises StalledError when nothing has moved for too long while records wait."""
        ends = {(p.group, p.topic, p.partition): p.end_offset for p in report.partitions}
        is_settled = report.total_lag == 0 and ends == self._ends
        self._ends = ends if report.total_lag == 0 else None
        places = frozenset(_Place(p.group, p.topic, p.partition, p.committed_offset) for p in report.partitions)
        if self._moved_s is None or places != self._places or report.total_lag == 0:
            self._moved_s, self._places = now_s, places
        if now_s - self._moved_s > self._stall_s:
            raise StalledError(
                f"{_behind(report)} after {self._stall_s:g} s without a commit; needed: a running worker and trainer; "
                "see whether they run (`freshrank lag --watch`), then repeat with a longer --stall-s if they are slow"
            )
        return is_settled


class _Place(NamedTuple):
    group: str
    topic: str
    partition: int
    committed: int | None


async def wait_until_consumed(settings: Settings, clock: Clock, tell: Report, stall_s: float) -> None:
    """Return when both groups have committed to the end of what they read, and it stays so. Raises StalledError."""
    view, groups = SettledView(stall_s), list(our_groups(settings))
    most = 0
    while True:
        report = await asyncio.to_thread(read_lag, settings, groups, clock.now_ms())
        if view.is_settled(report, clock.monotonic_s()):
            return
        most = max(most, report.total_lag)
        tell(1 - report.total_lag / most if most else None, _behind(report))
        await asyncio.sleep(POLL_S)


def _behind(report: LagReport) -> str:
    lags: dict[str, int] = {}
    for partition in report.partitions:
        lags[partition.topic] = lags.get(partition.topic, 0) + partition.lag
    waiting = [f"{lag:,} records wait on {topic}" for topic, lag in sorted(lags.items()) if lag]
    return ", ".join(waiting) or "nothing waits"
