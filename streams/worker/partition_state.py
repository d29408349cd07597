"""The state of one `events` partition: users, slates, item counts, remembered event ids, and the clock.

Everything here includes the events up to `offset` and nothing beyond. `drain` takes what changed since the last drain
as records, which are written in one batch together with the offset.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from streams.events.dedupe import EventIds, Segment
from streams.examples.label_plan import LabelPlan
from streams.examples.label_windows import Deadlines, labels_record, next_deadline_ms
from streams.examples.records import Labels
from streams.examples.slates import Slate, decode_slate, encode_slate
from streams.features.count_record import decode_counts
from streams.features.forgotten_users import ForgottenUsers
from streams.features.items import ItemTable
from streams.features.state_store import META_KEY, Record, StateStore
from streams.features.state_table import StateTable
from streams.features.user_record import decode_user, encode_user
from streams.features.user_state import UserState

__all__ = ["Drained", "PartitionState"]

USER, SLATE, IDS, ITEM = b"u:", b"s:", b"d:", b"i:"
# In the record of the partition: the event time since which a task is labelled.
TASK_SINCE = "task:"
# Records between two pauses of a load: some 20 ms.
LOAD_STEP = 1_000
_META = msgspec.json.Decoder(dict[str, int])
_SEGMENT = msgspec.json.Decoder(Segment)
_ENCODE = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Drained:
    """Changes as records, and whom they concern: `users` and `items` whose rows must be published again."""

    records: list[Record]
    meta: dict[str, int]
    users: list[UserState]
    items: list[tuple[str, bytes]]


class PartitionState:
    """In-memory side of a partition over its store. One thread at a time."""

    def __init__(self, number: int, store: StateStore, items: ItemTable, plan: LabelPlan) -> None:
        self.number, self.items, self.plan = number, items, plan
        self._store = store
        self.users: StateTable[UserState] = StateTable(
            store, USER, lambda raw: decode_user(raw, items), lambda user: encode_user(user, items)
        )
        self.slates: StateTable[Slate] = StateTable(
            store, SLATE, lambda raw: decode_slate(raw, items), lambda slate: encode_slate(slate, items)
        )
        self.forgotten = ForgottenUsers(store)
        self.deadlines = Deadlines()
        self.offset = -1
        self.max_event_ms = 0
        self._task_since_ms = dict.fromkeys(plan.tasks, 0)
        self.catalogue_next = 0  # bad records of the catalogue partition of this number are rejected up to here
        self.dirty_items: dict[int, int] = {}  # slot -> offset of the last event counted for it
        self.dirty_users: set[str] = set()
        self._ids: dict[str, EventIds] = {}
        self._dirty_ids: set[tuple[str, int]] = set()
        self._dropped_ids: list[tuple[str, int]] = []
        self._slot_of_row: list[int] = []

    def load(self) -> None:
        """Take over what the store holds, in one go."""
        for _ in self.load_steps():
            pass

    def load_steps(self) -> Iterator[None]:
        """Take over what the store holds: the clock, this partition's item counts, the deadlines of open slates.

        Between the steps others may use the item table; it is shared, so this must stay in their thread.
        """
        meta = read_meta(self._store)
        self.offset, self.max_event_ms = meta.get("offset", -1), meta.get("max_event_ms", 0)
        self.catalogue_next = meta.get("catalogue_next", 0)
        self._task_since_ms = {task: meta.get(f"{TASK_SINCE}{task}", self.max_event_ms) for task in self.plan.tasks}
        self.forgotten.load()
        self.items.drop_source(self.number)
        counted = ((key.decode(), decode_counts(raw)) for key, raw in self._store.scan(ITEM))
        while step := list(itertools.islice(counted, LOAD_STEP)):
            self.items.apply(self.number, step)
            yield
        for index, (_, raw) in enumerate(self._store.scan(SLATE)):
            slate = decode_slate(raw, self.items)
            self.deadlines.add(next_deadline_ms(slate, self.plan), slate)
            if index % LOAD_STEP == LOAD_STEP - 1:
                yield

    def user(self, user_id: str) -> UserState:
        """The user's state, new when never seen; changes to it must be followed by `changed`."""
        return self.users.get(user_id) or UserState(user_id)

    def changed(self, user: UserState) -> None:
        """Note that the user's state was changed."""
        self.users.put(user.user_id, user)
        self.dirty_users.add(user.user_id)

    def items_changed(self, slots: Iterable[int]) -> None:
        """Note that this partition's counts of items were changed by the event at `offset`."""
        self.dirty_items.update(dict.fromkeys(slots, self.offset))

    def counted_by(self, offset: int) -> dict[int, int]:
        """Slot -> offset of the items whose latest count is that of the event at `offset`."""
        counts = self.items.sources[self.number]
        if len(self._slot_of_row) != len(counts.row_of):
            self._slot_of_row = list(counts.row_of)
        rows = np.flatnonzero(counts.offset[: len(self._slot_of_row)] == offset)
        return {self._slot_of_row[row]: offset for row in rows.tolist()}

    def slate_changed(self, slate: Slate) -> None:
        """Note that a slate was made or changed."""
        self.slates.put(slate.key, slate)

    def labels(self, slate: Slate, task: str, watermark_ms: int) -> Labels | None:
        """The next revision of a task's labels of a slate, if there is one to send.

        None for a slate shown before the task was declared: what was done before then has left no label.
        """
        if slate.shown_at_ms < self._task_since_ms[task]:
            return None
        return labels_record(slate, task, self.items.item_ids, watermark_ms, self.plan)

    def is_new_event(self, user: UserState, event_id: str, at_ms: int) -> bool:
        """Remember the event of the user; False when it was seen before."""
        ids = self._ids.get(user.user_id)
        if ids is None:
            ids = self._ids[user.user_id] = EventIds(self._segments(user))
        if not ids.is_new(event_id, at_ms):
            return False
        if dropped := ids.forget_old(self.max_event_ms):
            self._dropped_ids += [(user.user_id, number) for number in dropped]
        newest = ids.segments[-1].number
        self._dirty_ids.add((user.user_id, newest))
        user.first_segment, user.next_segment = ids.segments[0].number, newest + 1
        return True

    def _segments(self, user: UserState) -> list[Segment]:
        numbers = range(user.first_segment, user.next_segment)
        raws = self._store.get_many([_ids_key(user.user_id, number) for number in numbers])
        return [_SEGMENT.decode(raw) for raw in raws if raw is not None]

    def forget(self, user: UserState, at_ms: int) -> int:
        """Remove the user with all slates and ids, also those that no flush has written yet.

        Returns the event time up to which all of the user is gone: `at_ms`, or that of a later event already counted.
        """
        at_ms = max(at_ms, user.last_event_ms, user.decayed_at_ms)
        self.forgotten.add(user.user_id, at_ms)
        prefix = f"{user.user_id}\0"
        on_disk = (prefix + key.decode() for key, _ in self._store.scan(SLATE + prefix.encode()))
        for key in {*on_disk, *self.slates.held_keys(prefix)}:
            self.slates.delete(key)
        self._dropped_ids += [(user.user_id, number) for number in range(user.first_segment, user.next_segment)]
        self._dirty_ids = {pair for pair in self._dirty_ids if pair[0] != user.user_id}
        self._ids.pop(user.user_id, None)
        self.users.delete(user.user_id)
        self.dirty_users.discard(user.user_id)
        return at_ms

    def all_users(self) -> Iterator[str]:
        """Ids of all users on disk, to publish their rows anew."""
        return (key.decode() for key, _ in self._store.scan(USER))

    def all_items(self) -> list[int]:
        """Slots of all items this partition has counted."""
        return list(self.items.sources[self.number].slots())

    def drain(self) -> Drained:
        """Everything that changed since the last drain. `written` must follow before the next drain."""
        users = [user for user in map(self.users.get, sorted(self.dirty_users)) if user is not None]
        self.dirty_users = set()
        records = self.users.drain() + self._drain_ids() + self.slates.drain()
        records += self.forgotten.drain(self.max_event_ms)
        items = self._drain_items()
        records += [(ITEM + item_id.encode(), raw) for item_id, raw in items]
        return Drained(records, self._meta(), users, items)

    def _meta(self) -> dict[str, int]:
        since_ms = {f"{TASK_SINCE}{task}": at_ms for task, at_ms in self._task_since_ms.items()}
        clock = {"offset": self.offset, "max_event_ms": self.max_event_ms, "catalogue_next": self.catalogue_next}
        return clock | since_ms

    def _drain_ids(self) -> list[Record]:
        records: list[Record] = [(_ids_key(*pair), None) for pair in self._dropped_ids]
        for user_id, number in sorted(self._dirty_ids):
            segments = self._ids[user_id].segments
            # Ids may be dropped between a change and its drain.
            if number >= segments[0].number:
                segment = segments[number - segments[0].number]
                records.append((_ids_key(user_id, number), _ENCODE(segment)))
        self._dirty_ids, self._dropped_ids = set(), []
        return records

    def _drain_items(self) -> list[tuple[str, bytes]]:
        counts, ids = self.items.sources[self.number], self.items.item_ids
        changed = sorted(self.dirty_items, key=ids.__getitem__)
        counts.offset[counts.rows(changed)] = [self.dirty_items[slot] for slot in changed]
        self.dirty_items = {}
        records = zip(changed, counts.records(changed, ids), strict=True)
        return [(ids[slot], _ENCODE(record)) for slot, record in records]

    def written(self, cached_users: int) -> None:
        """The drained records are on disk; memory beyond the limit is given back."""
        self.users.written()
        self.slates.written()
        self.users.evict(cached_users)
        self.slates.evict(cached_users)
        if len(self._ids) > cached_users:
            self._ids = {
                user_id: ids
                for user_id, ids in self._ids.items()
                if self.users.holds(user_id) or (user_id, ids.segments[-1].number) in self._dirty_ids
            }


def read_meta(store: StateStore) -> dict[str, int]:
    """The partition's own record: offset, clock, and how far its changelog is known; empty when new."""
    raw = store.get(META_KEY)
    return _META.decode(raw) if raw else {}


def _ids_key(user_id: str, number: int) -> bytes:
    return IDS + f"{user_id}\0{number}".encode()
