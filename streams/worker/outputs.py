"""What processing a chunk gives beside changed state: records to send, lists to rank, counts to export."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from streams.events.rejection import Rejected
from streams.examples.records import Labels, Shown, encode_record
from streams.ranking.task import RankTask

__all__ = ["DueRank", "Forgotten", "Outputs", "SourceRecord", "Trigger"]


class SourceRecord(Protocol):
    """A record as Kafka's clients give it; `timestamp` is the broker's append time in ms."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Trigger:
    """Something that makes a user's list on a surface worth computing again."""

    user_id: str
    surface: str
    appended_at_ms: int


@dataclass(frozen=True, slots=True)
class DueRank:
    """A request, captured where it stood in the stream. `deadline_ms`: after append time, if it has one."""

    task: RankTask
    appended_at_ms: int
    deadline_ms: int | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A user who was removed, and the surfaces whose lists must go as well.

    `at_ms`: event time up to which all of the user is gone; None when the trainer was told before.
    """

    user_id: str
    surfaces: tuple[str, ...] = ()
    at_ms: int | None = None


@dataclass(slots=True)
class Outputs:
    """Outputs of one chunk, each list in event order. `examples`: (key, record) for `training-examples`."""

    examples: list[tuple[bytes, bytes]] = field(default_factory=list)
    rejected: list[tuple[SourceRecord, Rejected]] = field(default_factory=list)
    misplaced: list[tuple[str, SourceRecord]] = field(default_factory=list)
    ranks: list[DueRank] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    forgotten: list[Forgotten] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def forget(self, forgotten: Forgotten) -> None:
        """The user is gone: lists that would be published for what came before are not made any more."""
        self.ranks = [due for due in self.ranks if due.task.user_id != forgotten.user_id]
        self.triggers = [trigger for trigger in self.triggers if trigger.user_id != forgotten.user_id]
        self.forgotten.append(forgotten)

    def example(self, record: Shown | Labels) -> None:
        """Send a training record; both kinds are keyed by slate."""
        self.examples.append((record.slate_id.encode(), encode_record(record)))
