"""Buffered slates as one batch of arrays. A label is known only where the entry's tasks and the record's items say so.

What a task that is learned early says depends on the use of the batch: see `Use`. Features are taken as they were
captured; a slate captured with other features, or whose columns do not fit each other, is left out and counted: no
record can stop the trainer.
"""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from models.batch import Batch
from models.feature_schema import FeatureSchema
from models.tasks import Task
from streams.examples.records import Shown
from streams.features.catalogue import KINDS
from streams.training.batch_content import batch_content
from streams.training.buffered_slate import ReadySlate, TaskLabels

__all__ = ["BatchOfSlates", "Use", "to_batch"]

# Of tasks learned early: `learn` takes the values that were not learned before, whether final or not; `judge` and
# `replay` take them all, once they are final. Other tasks are the same in all uses.
Use = Literal["learn", "judge", "replay"]

FLOAT_BYTES = 4
KIND_CODES = {kind: code for code, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class BatchOfSlates:
    """Slate s of the batch is of user `user_ids[s]` and was shown at `shown_at_ms_S[s]`.

    `num_skipped`: slates that do not fit the schema.
    """

    batch: Batch
    user_ids: list[str]
    shown_at_ms_S: NDArray[np.int64]
    num_skipped: int


@dataclass(slots=True)
class _Rows:
    """Columns that grow slate by slate."""

    user: list[bytes] = field(default_factory=list)
    item: list[bytes] = field(default_factory=list)
    cross: list[bytes] = field(default_factory=list)
    items: list[list[str]] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)

    def add(self, shown: Sequence[Shown]) -> None:
        """The rows of a slate, in order of part. The user is as the first part saw them."""
        self.user.append(b64decode(shown[0].user))
        items: list[str] = []
        for part in shown:
            self.item.append(b64decode(part.item))
            self.cross.append(b64decode(part.cross))
            self.positions += part.positions
            self.kinds += [KIND_CODES[kind] for kind in part.kinds]
            items += part.items
        self.items.append(items)


def to_batch(
    entries: Sequence[ReadySlate], schema: FeatureSchema, tasks: Sequence[Task], use: Use = "learn"
) -> BatchOfSlates:
    """One slate of the batch per entry, in order; the batch has no rows when no entry fits `schema`.

    `y[task]` and `mask[task]` for each of `tasks`; the mask is true for rows that the task's labels name, when the
    task is one of the entry's. A slate is left out when its feature schema or the size of its columns is another.
    """
    fits = _Fit(schema)
    fitting = [entry for entry in entries if all(map(fits, entry.slate.shown))]
    rows = _Rows()
    for entry in fitting:
        rows.add(entry.slate.shown)
    sizes = np.array([len(items) for items in rows.items], np.int64)
    columns = _Columns.empty(sum(map(len, rows.items)), tasks)
    for entry, held, start in zip(fitting, rows.items, (np.cumsum(sizes) - sizes).tolist(), strict=True):
        columns.fill(entry, held, start, use)
    known = batch_content([entry.slate for entry in fitting], schema)
    batch = Batch.from_arrays(
        user_SU=_floats(rows.user, len(schema.user)),
        item_NI=_floats(rows.item, len(schema.item)),
        cross_NX=_floats(rows.cross, len(schema.cross)),
        slate_N=np.repeat(np.arange(len(fitting)), sizes),
        position_N=np.array(rows.positions, np.int64),
        kind_N=np.array(rows.kinds, np.int64),
        labels=columns.y,
        censored=columns.censored,
        is_early=columns.is_early,
        content_N=known.content_N,
        content=known.content,
        history=known.history,
    )
    batch = batch.as_replay() if use == "replay" else batch
    return BatchOfSlates(
        batch,
        user_ids=[entry.slate.user_id for entry in fitting],
        shown_at_ms_S=np.array([entry.slate.shown[0].shown_at_ms for entry in fitting], np.int64),
        num_skipped=len(entries) - len(fitting),
    )


class _Fit:
    """Whether a `shown` record has the features of a schema, and columns of one length."""

    def __init__(self, schema: FeatureSchema) -> None:
        self._hash, self._widths = schema.hash, (len(schema.user), len(schema.item), len(schema.cross))

    def __call__(self, part: Shown) -> bool:
        num_rows = len(part.items)
        user, item, cross = self._widths
        return (
            part.feature_schema == self._hash
            and len(part.positions) == len(part.kinds) == num_rows
            and len(part.user) == _encoded_size(user)
            and len(part.item) == _encoded_size(num_rows * item)
            and len(part.cross) == _encoded_size(num_rows * cross)
        )


def _encoded_size(num_floats: int) -> int:
    """Characters of base64."""
    return (num_floats * FLOAT_BYTES + 2) // 3 * 4


def _floats(parts: Sequence[bytes], width: int) -> NDArray[np.float32]:
    return np.frombuffer(b"".join(parts), "<f4").reshape(-1, width)


@dataclass(slots=True)
class _Columns:
    """float32[N] per task, NaN where not known; which dwell times are lower bounds; which labels are not final."""

    y: dict[str, NDArray[np.float32]]
    censored: NDArray[np.bool_]
    is_early: dict[str, NDArray[np.bool_]]

    @classmethod
    def empty(cls, num_rows: int, tasks: Sequence[Task]) -> Self:
        """Nothing known."""
        return cls(
            y={task.name: np.full(num_rows, np.nan, np.float32) for task in tasks},
            censored=np.zeros(num_rows, np.bool_),
            is_early={task.name: np.zeros(num_rows, np.bool_) for task in tasks if task.is_early},
        )

    def fill(self, entry: ReadySlate, held: list[str], start: int, use: Use) -> None:
        """Labels of one slate, whose rows `held` begin at `start`."""
        for task in entry.tasks:
            labels = entry.slate.labels[task]
            if task not in self.y or not labels.items or not _is_whole(labels):
                continue
            rows, known = _places(held, labels, start)
            values = np.array([labels.values[k] for k in known], np.float32)
            if task in self.is_early:
                if use == "learn":
                    self.is_early[task][rows] = not labels.is_closed
                    since = np.array(labels.since or [entry.seq] * len(labels.items))[list(known)]
                    values = np.where(since > entry.learned_seq, values, np.float32(np.nan))
                elif not labels.is_closed:
                    continue
            self.y[task][rows] = values
            if labels.censored is not None:
                self.censored[rows] = [labels.censored[k] for k in known]


def _is_whole(labels: TaskLabels) -> bool:
    num = len(labels.items)
    return len(labels.values) == num and (labels.censored is None or len(labels.censored) == num)


def _places(items: list[str], labels: TaskLabels, start: int) -> tuple[slice | list[int], Sequence[int]]:
    """Rows of the batch that have a label, and which of the labels they have."""
    if labels.items == items:
        return slice(start, start + len(items)), range(len(items))
    known = {item: k for k, item in enumerate(labels.items)}
    pairs = [(start + place, known[item]) for place, item in enumerate(items) if item in known]
    return [row for row, _ in pairs], [k for _, k in pairs]
