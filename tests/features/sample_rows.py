"""Batches of feature rows with known values."""

from collections.abc import Sequence

import numpy as np

from streams.features.rows import RowBatch, counter_columns

START_MS = 1_750_000_000_000
AFFINITY = ("category", "brand", "tags")


def user_rows(
    user_ids: Sequence[str], clicks: Sequence[int], at_ms: Sequence[int] | int = START_MS, *, num_recent: int = 2
) -> RowBatch:
    """Rows of `user_counters` whose `clicks_total` are `clicks`; everything else follows from them."""
    n = len(user_ids)
    event_at_ms = np.broadcast_to(np.asarray(at_ms, np.int64), n).copy()
    totals = np.zeros((n, 6), np.int64)
    totals[:, 2] = clicks
    totals[:, 0] = totals[:, 2] * 20
    decayed = np.asarray(clicks, np.float64)[:, None, None] * np.linspace(0.1, 1.7, 18).reshape(1, 3, 6)
    columns = counter_columns(totals, decayed, event_at_ms)
    columns["recent_items"] = [[f"item-{click}-{i}" for i in range(num_recent)] for click in clicks]
    for field in AFFINITY:
        columns[f"affinity_{field}_values"] = [[f"{field}-{i}" for i in range(click % 4)] for click in clicks]
        columns[f"affinity_{field}_weights"] = [[0.5 + i for i in range(click % 4)] for click in clicks]
    return RowBatch("user_counters", list(user_ids), event_at_ms, columns)


def item_rows(item_ids: Sequence[str], clicks: Sequence[int], at_ms: int = START_MS) -> RowBatch:
    """Rows of `item_counters`, in the same way."""
    user = user_rows(item_ids, clicks, at_ms)
    lists = {
        "neighbours": user.columns["recent_items"],
        "neighbour_weights": [[2.0] * len(row) for row in user.columns["recent_items"]],
    }
    numbers = {name: column for name, column in user.columns.items() if isinstance(column, np.ndarray)}
    return RowBatch("item_counters", user.entity_ids, user.event_at_ms, numbers | lists)
