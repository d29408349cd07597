"""One slate of the replay buffer: how `shown` parts and labels, in any order and any number of times, become one.

Plain logic without the database. The first `shown` of a part and the highest revision of a task's labels win, so the
content does not depend on the order of arrival; only the sequence numbers do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from models.tasks import CLICK_TASK
from streams.examples.records import Labels, Shown
from streams.features.item_content import ItemContent

__all__ = ["BufferedSlate", "Contents", "PartFacts", "ReadySlate", "SlateHead", "TaskLabels", "join"]

# What is known of items, by feature schema (its hash) and item id.
Contents = Mapping[tuple[str, str], ItemContent]
# A slate is learned from once this task's labels are in.
FIRST_TASK = CLICK_TASK


class TaskLabels(msgspec.Struct, array_like=True):
    """Labels of one task: see streams.examples.records.Labels. `at_ms`: event time, until a part says it better.

    `since[k]`: the entry of the ready queue with which item k got its present value: what one that was learned up to
    some entry still has to learn.
    """

    revision: int
    items: list[str]
    values: list[float]
    censored: list[bool] | None = None
    at_ms: int = 0
    is_closed: bool = True
    since: list[int] = msgspec.field(default_factory=list)

    def says_the_same(self, other: "TaskLabels") -> bool:
        """Whether nothing can be learned from the other one beyond this."""
        return (self.items, self.values, self.censored, self.is_closed) == (
            other.items,
            other.values,
            other.censored,
            other.is_closed,
        )


class PartFacts(msgspec.Struct, array_like=True):
    """What the head knows of a `shown` part, which is stored beside it."""

    num_bytes: int
    shown_at_ms: int


class SlateHead(msgspec.Struct):
    """Labels and bookkeeping of a slate. `seqs[task]`: the newest entry of the task; `first_seq`: 0 until learnable."""

    user_id: str
    slate_id: str
    parts: dict[int, PartFacts] = msgspec.field(default_factory=dict)
    labels: dict[str, TaskLabels] = msgspec.field(default_factory=dict)
    seqs: dict[str, int] = msgspec.field(default_factory=dict)
    first_seq: int = 0

    @property
    def at_ms(self) -> int:
        """Event time: of the earliest part, or of the labels while there is no part."""
        if self.parts:
            return min(part.shown_at_ms for part in self.parts.values())
        return min((labels.at_ms for labels in self.labels.values()), default=0)

    @property
    def is_learnable(self) -> bool:
        """A `shown` part and the click labels are in."""
        return bool(self.parts) and FIRST_TASK in self.labels

    def queued(self) -> set[int]:
        """Sequence numbers of the entries that stand for this slate."""
        return {*self.seqs.values(), self.first_seq} - {0}


@dataclass(frozen=True, slots=True)
class BufferedSlate:
    """A learnable slate: its `shown` parts in order of part, and all labels known by now.

    `contents`: of the items it names, and of others.
    """

    user_id: str
    slate_id: str
    shown: tuple[Shown, ...]
    labels: dict[str, TaskLabels]
    contents: Contents = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadySlate:
    """A slate to learn from, for `tasks` alone (sorted). `seq`: its place in the ready queue.

    `learned_seq`: values known by this entry were learned before.
    """

    seq: int
    slate: BufferedSlate
    tasks: tuple[str, ...]
    learned_seq: int = 0


def join(head: SlateHead, record: Shown | Labels, num_bytes: int, seq: int) -> bool:
    """Take a record in. True when it gives an entry of the ready queue, which gets the number `seq`.

    `num_bytes`: stored size of a `shown`. A task stands in its newest entry only: a label is learned as it is then.
    """
    was_learnable = head.is_learnable
    changed = _add_shown(head, record, num_bytes, seq) if isinstance(record, Shown) else _add_labels(head, record, seq)
    if not head.is_learnable:
        return False
    tasks = changed if was_learnable else set(head.labels)
    if not was_learnable:
        for labels in head.labels.values():
            labels.since = [seq] * len(labels.items)
    head.seqs.update(dict.fromkeys(tasks, seq))
    if not was_learnable:
        head.first_seq = seq
    return bool(tasks)


def _add_shown(head: SlateHead, shown: Shown, num_bytes: int, seq: int) -> set[str]:
    """Tasks whose labels name rows of a part that is new."""
    if shown.part in head.parts:
        return set()
    head.parts[shown.part] = PartFacts(num_bytes, shown.shown_at_ms)
    new, changed = set(shown.items), {}
    for task, labels in head.labels.items():
        if not new.isdisjoint(labels.items):
            changed[task] = labels
            since = zip(labels.items, labels.since, strict=False)
            labels.since = [seq if item in new else before for item, before in since]
    return set(changed)


def _add_labels(head: SlateHead, record: Labels, seq: int) -> set[str]:
    """The task, when its labels are new or say something else than before."""
    held = head.labels.get(record.task)
    if held is not None and held.revision >= record.revision:
        return set()
    at_ms = record.shown_at_ms or record.watermark_ms
    before = {} if held is None else dict(zip(held.items, zip(held.values, held.since, strict=False), strict=False))
    pairs = zip(record.items, record.values, strict=False)
    since = [before[item][1] if item in before and before[item][0] == value else seq for item, value in pairs]
    labels = TaskLabels(record.revision, record.items, record.values, record.censored, at_ms, record.is_closed, since)
    head.labels[record.task] = labels
    return set() if held is not None and held.says_the_same(labels) else {record.task}
