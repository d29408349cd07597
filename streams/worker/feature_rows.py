"""State as feature rows: the same values that the scorer reads, on their way to Feast."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS, HORIZONS
from streams.features.count_record import TOTALS
from streams.features.items import ItemTable
from streams.features.rows import ITEM_COUNTERS, USER_COUNTERS, RowBatch, counter_columns
from streams.features.user_state import UserState

__all__ = ["item_rows", "user_rows"]

SHAPE = (len(HORIZONS), len(EVENT_KINDS))


def user_rows(users: Sequence[UserState], items: ItemTable) -> RowBatch:
    """One row per user, true as of the user's last event."""
    at_ms = np.array([user.decayed_at_ms for user in users], np.int64)
    columns = counter_columns(
        np.array([user.totals for user in users], np.int64).reshape(len(users), len(TOTALS)),
        np.array([user.decayed_values() for user in users], np.float64).reshape(len(users), *SHAPE),
        at_ms,
    )
    ids = items.item_ids
    columns["recent_items"] = [[ids[slot] for slot in reversed(user.action_slots)] for user in users]
    for index, name in enumerate(items.fields.affinity):
        texts, weights = _affinity(users, items, index)
        columns[f"affinity_{name}_values"], columns[f"affinity_{name}_weights"] = texts, weights
    seen_ms = np.array([user.last_event_ms for user in users], np.int64)
    return RowBatch(USER_COUNTERS, [user.user_id for user in users], np.maximum(at_ms, seen_ms), columns)


def _affinity(users: Sequence[UserState], items: ItemTable, field: int) -> tuple[list[list[str]], list[list[float]]]:
    """Values of a field with their weights at the time of the row, strongest first, of equal ones the first by text.

    Sorted for all users at once: the texts are compared only to rank each different one.
    """
    held = [user.affinity[field] if field < len(user.affinity) else {} for user in users]
    num = np.array([len(one) for one in held], np.int64)
    ends, total = np.cumsum(num), int(num.sum())
    value = np.fromiter(chain.from_iterable(held), np.int64, total)
    left = np.array([user.affinity_left(user.decayed_at_ms) for user in users])
    weight = np.fromiter(chain.from_iterable(one.values() for one in held), np.float64, total) * np.repeat(left, num)
    different, place = np.unique(value, return_inverse=True)
    texts = [items.values[one] for one in different.tolist()]
    rank = np.argsort(sorted(range(len(texts)), key=texts.__getitem__))[place]
    order = np.lexsort((rank, -weight, np.repeat(np.arange(len(users)), num)))
    all_texts, all_weights = [texts[one] for one in place[order].tolist()], weight[order].tolist()
    parts = [slice(end - of_user, end) for end, of_user in zip(ends.tolist(), num.tolist(), strict=True)]
    return [all_texts[part] for part in parts], [all_weights[part] for part in parts]


def item_rows(slots: NDArray[np.int32], items: ItemTable) -> RowBatch:
    """One row per item, summed over all sources, true as of the item's last event."""
    at_ms = items.at_ms[slots]
    columns = counter_columns(items.totals[slots], items.decayed[slots], at_ms)
    found = [items.neighbours(slot) for slot in slots.tolist()]
    columns["neighbours"] = [[items.item_ids[other] for other in others.tolist()] for others, _ in found]
    columns["neighbour_weights"] = [weights.tolist() for _, weights in found]
    return RowBatch(ITEM_COUNTERS, [items.item_ids[slot] for slot in slots.tolist()], at_ms, columns)
