"""Consumer lag: how far a group is behind, in records and in seconds. The arithmetic; lag_reader asks Kafka.

Seconds are the age of the oldest record that waits, by the time the broker appended it. Estimates from rates read 0
when producers pause; this does not. A group that never committed on a topic lags from the topic's first record.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["LagReport", "PartitionLag", "Place", "Waiting", "measure", "our_groups"]

Waiting = tuple[str, int, int]
"""Topic, partition and offset of the oldest record that waits."""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One group on one partition. `committed_offset` is None when the group never committed there."""

    group: str
    topic: str
    partition: int
    committed_offset: int | None
    end_offset: int
    lag: int
    lag_s: float


@dataclass(frozen=True, slots=True)
class LagReport:
    """All partitions of the groups asked for, sorted by group, topic and partition."""

    partitions: tuple[PartitionLag, ...]

    @property
    def total_lag(self) -> int:
        """Records waiting, over everything."""
        return sum(p.lag for p in self.partitions)

    @property
    def max_lag_s(self) -> float:
        """Age of the oldest record that waits anywhere; 0 when none does."""
        return max((p.lag_s for p in self.partitions), default=0.0)

    def to_json(self) -> dict[str, object]:
        """The documented shape of `freshrank lag --json`."""
        return {
            "partitions": [asdict(p) for p in self.partitions],
            "total_lag": self.total_lag,
            "max_lag_s": self.max_lag_s,
        }


def our_groups(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Our two consumer groups and the topics that each reads."""
    names = {short: spec.name for short, spec in topic_specs(settings).items()}
    return {
        settings.worker_group: (names["events"], names["item-counts"]),
        settings.trainer_group: (names["training-examples"],),
    }


@dataclass(frozen=True, slots=True)
class Place:
    """A group's place on a partition and the log around it, all offsets. `committed` None: never committed."""

    group: str
    topic: str
    partition: int
    committed: int | None
    start: int
    end: int

    @property
    def waiting(self) -> Waiting:
        """Where the oldest record that waits is, or would be; retention may have taken older ones."""
        return self.topic, self.partition, max(self.start, self.committed or 0)

    @property
    def lag(self) -> int:
        """Records from the committed offset, or else from the log's start, to the end."""
        return max(0, self.end - (self.start if self.committed is None else self.committed))


def measure(places: Iterable[Place], appended_at_ms: Mapping[Waiting, int], now_ms: int) -> LagReport:
    """The report for places; `appended_at_ms` says when the broker got the records that wait, as far as it is known."""
    rows = [_row(place, appended_at_ms.get(place.waiting, now_ms), now_ms) for place in places]
    return LagReport(tuple(sorted(rows, key=lambda row: (row.group, row.topic, row.partition))))


def _row(place: Place, since_ms: int, now_ms: int) -> PartitionLag:
    # The broker's clock may be ahead of ours: an age is never below zero.
    lag_s = max(0, now_ms - since_ms) / 1000 if place.lag else 0.0
    return PartitionLag(place.group, place.topic, place.partition, place.committed, place.end, place.lag, lag_s)
