"""Watches a running deployment for a demo: serving version, rounds, rejects, lag. In a thread, about once a second."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from streams.clock import SystemClock
from streams.errors import FreshrankError
from streams.kafka.lag import our_groups
from streams.kafka.lag_reader import read_lag
from streams.observability.status_reader import read_samples, read_status, sum_of
from streams.settings import Settings

__all__ = ["Monitor", "Seen"]

_EVERY_S = 1.0
# Asking Kafka for lag costs more than asking a role for its status.
_LAG_EVERY = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """What was last seen; a role that does not answer keeps its last values."""

    model_version: int = 0
    models_published: int = 0
    rounds: int = 0
    rejects: int = 0
    lag: int = 0


class Monitor:
    """Use as a context manager; `seen` is always there, and `look` refreshes it now."""

    def __init__(self, settings: Settings, urls: Callable[[], Mapping[str, str]]) -> None:
        self._settings, self._urls, self._clock = settings, urls, SystemClock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="freshrank-monitor", daemon=True)
        self.seen = Seen()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> Seen:
        """Ask everything now."""
        self.seen = self._with_lag(self._with_roles(self.seen))
        return self.seen

    def _watch(self) -> None:
        turn = 0
        while not self._stop.wait(_EVERY_S):
            seen = self._with_roles(self.seen)
            self.seen = self._with_lag(seen) if turn % _LAG_EVERY == 0 else seen
            turn += 1

    def _with_roles(self, seen: Seen) -> Seen:
        for name, url in self._urls().items():
            status = read_status(url) or {}
            if name == "trainer" and status:
                published = sum(
                    sample.value
                    for sample in read_samples(url)
                    if sample.name == "freshrank_rounds_total" and sample.labels["decision"] == "published"
                )
                seen = replace(seen, rounds=status.get("rounds", seen.rounds), models_published=int(published))
            elif status:
                rejects = int(sum_of(read_samples(url), "freshrank_rejects_total"))
                seen = replace(seen, model_version=status.get("model_version", 0), rejects=rejects)
        return seen

    def _with_lag(self, seen: Seen) -> Seen:
        try:
            report = read_lag(self._settings, list(our_groups(self._settings)), self._clock.now_ms())
        except FreshrankError:
            return seen
        return replace(seen, lag=report.total_lag)
