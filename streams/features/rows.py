"""Feature rows as columns: what `user_counters` and `item_counters` hold, and batches of rows on their way to Feast.

Pure: knows names, types and arrays, neither Feast nor a store. The columns depend on the declared affinity fields, so
the definitions of the feature repo and every batch are made from the same list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS, HORIZONS
from streams.errors import SchemaMismatchError
from streams.features.count_record import TOTALS

__all__ = [
    "ITEM_COUNTERS",
    "JOIN_KEYS",
    "USER_COUNTERS",
    "VIEWS",
    "Column",
    "ColumnKind",
    "RowBatch",
    "counter_columns",
    "view_columns",
]

ColumnKind = Literal["int64", "float64", "string_list", "float_list"]

USER_COUNTERS = "user_counters"
ITEM_COUNTERS = "item_counters"
VIEWS: tuple[str, ...] = (USER_COUNTERS, ITEM_COUNTERS)
JOIN_KEYS: dict[str, str] = {USER_COUNTERS: "user_id", ITEM_COUNTERS: "item_id"}


@dataclass(frozen=True, slots=True)
class Column:
    """One feature of a view: its name, its type, and a sentence for people who browse the views."""

    name: str
    kind: ColumnKind
    description: str


def view_columns(view: str, affinity: Sequence[str]) -> tuple[Column, ...]:
    """The columns of a view, in order; `affinity` are the declared catalogue fields a user can lean to.

    Numbers come before lists: a stored row is then a fixed part followed by a variable one.
    """
    if view == USER_COUNTERS:
        lists = [Column("recent_items", "string_list", "items of the latest actions, newest first")]
        for field in affinity:
            values, weights = f"affinity_{field}_values", f"affinity_{field}_weights"
            lists.append(Column(values, "string_list", f"values of {field} the user leans to, strongest first"))
            lists.append(Column(weights, "float_list", f"how much, one for each of {values}, at decayed_at_ms"))
    elif view == ITEM_COUNTERS:
        lists = [
            Column("neighbours", "string_list", "items clicked by the same users, strongest first"),
            Column("neighbour_weights", "float_list", "decayed co-clicks, one for each of neighbours"),
        ]
    else:
        raise SchemaMismatchError(f"feature view {view!r} is not one of {', '.join(VIEWS)}; use one of these")
    return (*_counters(), *lists)


def _counters() -> list[Column]:
    totals = [Column(f"{name}_total", "int64", f"{name} ever counted, exact") for name in TOTALS]
    decayed = [
        Column(f"{kind}s_{horizon}", "float64", f"{kind}s, decayed with a half-life of {horizon}, at decayed_at_ms")
        for horizon in HORIZONS
        for kind in EVENT_KINDS
    ]
    return [*totals, *decayed, Column("decayed_at_ms", "int64", "event time at which decayed values are valid")]


def counter_columns(
    totals: NDArray[np.int64], decayed: NDArray[np.float64], decayed_at_ms: NDArray[np.int64]
) -> dict[str, Any]:
    """The number columns of either view.

    Takes `totals` int64[n, 6], `decayed` float64[n, H, K] and the event times int64[n] at which `decayed` is valid.
    """
    columns: dict[str, Any] = {f"{name}_total": totals[:, t] for t, name in enumerate(TOTALS)}
    for h, horizon in enumerate(HORIZONS):
        for k, kind in enumerate(EVENT_KINDS):
            columns[f"{kind}s_{horizon}"] = decayed[:, h, k]
    columns["decayed_at_ms"] = decayed_at_ms
    return columns


@dataclass(frozen=True, slots=True)
class RowBatch:
    """n rows of one view, by column. Rows of one entity stand in the order in which they became true.

    `columns`: int64[n] and float64[n] arrays, and lists of n lists (strings, or numbers) for the list columns.
    """

    view: str
    entity_ids: list[str]
    event_at_ms: NDArray[np.int64]
    columns: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.entity_ids)

    def check(self, columns: Sequence[Column]) -> None:
        """Raise SchemaMismatchError unless the batch holds exactly these columns, each with a value for every row."""
        needed = [column.name for column in columns]
        if set(needed) != set(self.columns):
            missing, extra = sorted(set(needed) - set(self.columns)), sorted(set(self.columns) - set(needed))
            raise SchemaMismatchError(
                f"a batch for {self.view} lacks {missing} and has {extra} in excess; its columns must be those of the "
                "feature repo; build both from the same FRESHRANK_CATALOGUE settings"
            )
        sizes = {"event_at_ms": len(self.event_at_ms), **{name: len(self.columns[name]) for name in needed}}
        wrong = {name: size for name, size in sizes.items() if size != len(self)}
        if wrong:
            raise SchemaMismatchError(
                f"a batch for {self.view} has {len(self)} rows, but other lengths in {wrong}; give one value per row"
            )

    @classmethod
    def joined(cls, batches: Sequence["RowBatch"]) -> "RowBatch":
        """The rows of one batch or more of the same view and columns, one batch after the other."""
        if len(batches) == 1:
            return batches[0]

        def column(name: str) -> Any:
            parts = [batch.columns[name] for batch in batches]
            return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else list(chain.from_iterable(parts))

        ids = [entity_id for batch in batches for entity_id in batch.entity_ids]
        times = np.concatenate([batch.event_at_ms for batch in batches])
        return cls(batches[0].view, ids, times, {name: column(name) for name in batches[0].columns})

    def select(self, rows: Sequence[int]) -> "RowBatch":
        """The rows at these places, in this order."""
        index = np.asarray(rows, np.intp)
        picked = {
            name: values[index] if isinstance(values, np.ndarray) else [values[row] for row in rows]
            for name, values in self.columns.items()
        }
        return RowBatch(self.view, [self.entity_ids[row] for row in rows], self.event_at_ms[index], picked)
