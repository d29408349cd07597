"""State as feature rows: the same values that the scorer reads, on their way to Feast."""

from collections.abc import Sequence

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
        pairs = [_affinity(user, items, index) for user in users]
        columns[f"affinity_{name}_values"] = [[text for text, _ in held] for held in pairs]
        columns[f"affinity_{name}_weights"] = [[weight for _, weight in held] for held in pairs]
    seen_ms = np.array([user.last_event_ms for user in users], np.int64)
    return RowBatch(USER_COUNTERS, [user.user_id for user in users], np.maximum(at_ms, seen_ms), columns)


def _affinity(user: UserState, items: ItemTable, field: int) -> list[tuple[str, float]]:
    """Values of a field with their weights at the time of the row, strongest first."""
    if field >= len(user.affinity):
        return []
    kept = user.affinity_left(user.decayed_at_ms)
    held = [(items.values[value], weight * kept) for value, weight in user.affinity[field].items()]
    return sorted(held, key=lambda pair: (-pair[1], pair[0]))


def item_rows(slots: NDArray[np.int32], items: ItemTable) -> RowBatch:
    """One row per item, summed over all sources, true as of the item's last event."""
    at_ms = items.at_ms[slots]
    columns = counter_columns(items.totals[slots], items.decayed[slots], at_ms)
    found = [items.neighbours(slot) for slot in slots.tolist()]
    columns["neighbours"] = [[items.item_ids[other] for other in others.tolist()] for others, _ in found]
    columns["neighbour_weights"] = [weights.tolist() for _, weights in found]
    return RowBatch(ITEM_COUNTERS, [items.item_ids[slot] for slot in slots.tolist()], at_ms, columns)
