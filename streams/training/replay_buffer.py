"""The replay buffer: slates with their features and labels on disk, a queue of what is new, older ones for replay.

The partition's next Kafka offset is written in the batch of the rows it covers, so a kill loses and doubles nothing.
One thread may append while another reads: what is read is whole, and a task that is superseded meanwhile is left out,
as its newer entry brings it again.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from threading import Lock
from typing import cast

import msgspec
import numpy as np

from streams.examples.records import Example, Forget, Shown, decode_record
from streams.training.appended_changes import forgotten, joined
from streams.training.buffer_changes import BufferFacts, Changes, QueueRow, decode_head, encode
from streams.training.buffer_database import BufferDatabase
from streams.training.buffer_keys import CONTENT, META, QUEUE, TIME, head_key, part_key, queue_key, slate_key, time_of
from streams.training.buffered_slate import BufferedSlate, ReadySlate, SlateHead, TaskLabels
from streams.training.content_table import ContentTable
from streams.training.sequence_index import SequenceIndex

__all__ = ["AppendReport", "BufferedSlate", "ReadySlate", "ReplayBuffer", "TaskLabels"]

DAY_MS = 86_400_000
# Slates removed in one batch: bounds the memory that a long trim takes.
TRIM_SLATES = 1000
_FACTS = msgspec.json.Decoder(BufferFacts)
_QUEUE_ROWS = msgspec.json.Decoder(QueueRow)


@dataclass(frozen=True, slots=True)
class AppendReport:
    """`num_skipped`: records that the buffer already held by their offset. `num_ready`: new entries of the queue."""

    num_records: int
    num_skipped: int
    num_ready: int


class ReplayBuffer:
    """Slates by user and slate id. One process at a time; raises StateError when another one holds the folder.

    `buffer_days`: event time kept. `buffer_max_bytes`: the oldest slates leave beyond it, at the next `trim`.
    `is_read_only`: what it holds now, to be read beside the process that holds it; nothing may be appended or trimmed.
    """

    def __init__(self, folder: Path, *, buffer_days: float, buffer_max_bytes: int, is_read_only: bool = False) -> None:
        self._kept_ms, self._max_bytes = int(buffer_days * DAY_MS), buffer_max_bytes
        self._store = BufferDatabase(folder, is_read_only=is_read_only)
        self._lock = Lock()
        raw = self._store.get_many([META])[0]
        self._facts = _FACTS.decode(raw) if raw else BufferFacts()
        self._contents = ContentTable(self._store.scan(CONTENT))
        rows = [(int.from_bytes(key[1:]), _QUEUE_ROWS.decode(value)) for key, value in self._store.scan(QUEUE)]
        self._ready = SequenceIndex(seq for seq, row in rows if row.is_ready)
        self._firsts = SequenceIndex(seq for seq, row in rows if row.is_first)

    @property
    def last_seq(self) -> int:
        """The newest sequence number given; 0 before the first."""
        return self._facts.last_seq

    @property
    def num_slates(self) -> int:
        """Slates with a `shown` part."""
        return self._facts.num_slates

    @property
    def num_bytes(self) -> int:
        """Accounted size of all records, before compression."""
        return self._facts.num_bytes

    @property
    def labels_without_shown(self) -> int:
        """Labels (one per slate and task) that left without their slate ever having come, or after it had left."""
        return self._facts.labels_without_shown

    @property
    def event_time_ms(self) -> int:
        """The newest event time seen; 0 before the first record."""
        return self._facts.event_time_ms

    def next_offset(self, partition: int) -> int | None:
        """The Kafka offset to go on from; None for a partition never seen."""
        return self._facts.next_offsets.get(partition)

    def append(self, partition: int, records: Sequence[tuple[int, Example]], next_offset: int) -> AppendReport:
        """Take in (offset, record) pairs and that all below `next_offset` are included.

        At once, or in parts where users are forgotten between them; each part with its offset, or not at all. Records
        below the partition's stored next offset are skipped. `next_offset` never goes back.
        """
        num_ready = 0
        with self._lock:
            stored = self._facts.next_offsets.get(partition, 0)
            fresh = [(offset, record) for offset, record in records if offset >= stored]
            runs = [list(run) for _, run in groupby(fresh, lambda pair: isinstance(pair[1], Forget))] or [[]]
            ends = [*(run[0][0] for run in runs[1:]), next_offset]
            for run, end in zip(runs, ends, strict=True):
                changes = self._changed_by([record for _, record in run])
                changes.facts.next_offsets[partition] = max(stored, end)
                self._commit(changes)
                num_ready += sum(row.is_ready for row in changes.rows.values())
        return AppendReport(len(fresh), len(records) - len(fresh), num_ready)

    def num_new(self, after_seq: int) -> int:
        """How many slates became learnable above `after_seq`."""
        with self._lock:
            return self._firsts.count_after(after_seq)

    def seq_of_new(self, after_seq: int, num: int) -> int:
        """The sequence number at which the `num`-th slate above `after_seq` became learnable, or the last one did.

        Where a round ends so depends on the queue alone, not on what came after. `after_seq` when there is none.
        """
        with self._lock:
            return (self._firsts.after(after_seq, num) or [after_seq])[-1]

    def ready(self, after_seq: int, limit: int, through_seq: int | None = None) -> list[ReadySlate]:
        """At most `limit` entries above `after_seq`, oldest first, each with its tasks that are newly known.

        Those above `through_seq` are left for later.
        """
        with self._lock:
            seqs = self._ready.after(after_seq, limit)
        seqs = seqs if through_seq is None else seqs[: bisect_right(seqs, through_seq)]
        found = [(seq, slate, _tasks_at(head, seq)) for seq, head, slate in self._read(seqs)]
        return [ReadySlate(seq, slate, tasks, after_seq) for seq, slate, tasks in found if tasks]

    def num_ready(self, after_seq: int) -> int:
        """How many entries `ready` would give without a limit."""
        with self._lock:
            return self._ready.count_after(after_seq)

    def sample(self, num: int, rng: np.random.Generator, before_seq: int) -> list[ReadySlate]:
        """At most `num` different slates that became learnable before `before_seq`, each equally likely.

        `tasks` are those known before `before_seq`: what waits in the queue is not learned before it was predicted.
        The same generator state and content give the same slates.
        """
        with self._lock:
            seqs = self._firsts.draw(num, rng, before_seq)
        found = [(seq, slate, _tasks_before(head, before_seq)) for seq, head, slate in self._read(seqs)]
        return [ReadySlate(seq, slate, tasks) for seq, slate, tasks in found if tasks]

    def by_event_time(self) -> list[int]:
        """Sequence numbers of all learnable slates, oldest event time first; `history` reads them."""
        slates = [time_of(key)[1] for key, _ in self._store.scan(TIME)]
        found: list[int] = []
        for start in range(0, len(slates), TRIM_SLATES):
            raws = self._store.get_many([head_key(slate) for slate in slates[start : start + TRIM_SLATES]])
            found += [head.first_seq for raw in raws if raw and (head := decode_head(raw)).first_seq]
        return found

    def history(self, seqs: Sequence[int]) -> list[ReadySlate]:
        """The slates that became learnable at these numbers, in their order, with all tasks whose labels are known."""
        return [ReadySlate(seq, slate, tuple(sorted(head.seqs))) for seq, head, slate in self._read(seqs)]

    def trim(self, now_event_ms: int) -> int:
        """Drop slates older than `buffer_days` before `now_event_ms`, and the oldest beyond `buffer_max_bytes`.

        `event_time_ms` is the time to give. Returns the number of slates dropped, those that only ever had labels
        included.
        """
        num_dropped, horizon_ms = 0, now_event_ms - self._kept_ms
        while True:
            with self._lock:
                changes = self._oldest(horizon_ms)
                for slate, head in list(changes.heads.items()):
                    if head.at_ms < horizon_ms or changes.facts.num_bytes > self._max_bytes:
                        changes.drop(slate)
                        num_dropped += 1
                if not changes.writes:
                    self._store.write(self._contents.expire(horizon_ms))
                    return num_dropped
                self._commit(changes)

    def close(self) -> None:
        """Release the folder."""
        self._store.close()

    def _changed_by(self, records: Sequence[Example]) -> Changes:
        """Of a run of examples, or one of users to forget."""
        to_forget = [record for record in records if isinstance(record, Forget)]
        if to_forget:
            return forgotten(self._store, self._facts, self._contents, to_forget)
        examples = [record for record in records if not isinstance(record, Forget)]
        return joined(self._store, self._facts, self._contents, examples)

    def _oldest(self, horizon_ms: int) -> Changes:
        """The oldest slates, loaded as far as some of them may have to leave."""
        times = [time_of(key) for key, _ in islice(self._store.scan(TIME), TRIM_SLATES)]
        is_full = self._facts.num_bytes > self._max_bytes
        slates = [slate for at_ms, slate in times if is_full or at_ms < horizon_ms]
        changes = Changes(deepcopy(self._facts), self._contents)
        changes.load(slates, self._store.get_many([head_key(slate) for slate in slates]))
        return changes

    def _commit(self, changes: Changes) -> None:
        self._store.write({**changes.writes, META: encode(changes.facts)})
        newest, self._facts = self._facts.last_seq, changes.facts
        for seq, row in sorted(changes.rows.items()):
            if seq > newest:
                self._ready.add(seq)
                if row.is_first:
                    self._firsts.add(seq)
        self._ready.remove(changes.superseded | changes.dropped)
        self._firsts.remove(changes.dropped)

    def _read(self, seqs: Sequence[int]) -> Iterator[tuple[int, SlateHead, BufferedSlate]]:
        """Slates of entries, without those that left meanwhile."""
        rows = [_QUEUE_ROWS.decode(raw) if raw else None for raw in self._store.get_many([*map(queue_key, seqs)])]
        slates = {seq: slate_key(r.user_id, r.slate_id) for seq, r in zip(seqs, rows, strict=True) if r}
        raws = self._store.get_many([head_key(slate) for slate in slates.values()])
        heads = {seq: decode_head(raw) for seq, raw in zip(slates, raws, strict=True) if raw}
        keys = [part_key(slates[seq], part) for seq, head in heads.items() for part in sorted(head.parts)]
        parts = iter(self._store.get_many(keys))
        for seq, head in heads.items():
            shown = tuple(decode_record(raw) for raw in islice(parts, len(head.parts)) if raw)
            if shown:
                of_head = cast("tuple[Shown, ...]", shown), head.labels, self._contents.contents
                yield seq, head, BufferedSlate(head.user_id, head.slate_id, *of_head)


def _tasks_at(head: SlateHead, seq: int) -> tuple[str, ...]:
    return tuple(sorted(task for task, newest in head.seqs.items() if newest == seq))


def _tasks_before(head: SlateHead, seq: int) -> tuple[str, ...]:
    return tuple(sorted(task for task, newest in head.seqs.items() if newest < seq))
