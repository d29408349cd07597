"""The captured features of a log as one table, a row per shown item: what peers learn from and are measured on.

Features come from the `Shown` records, the same numbers that our trainer gets. Rows follow the lists of the log, and
the places inside each list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.log_examples import LogExamples
from models.feature_schema import FeatureSchema
from streams.examples.records import Shown, decode_array
from streams.replay.evaluation import lists_after_split
from streams.replay.ranked_lists import RankedList

__all__ = ["ExampleTable", "split_index", "table_of"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ExampleTable:
    """N rows of L lists: F features (user, item, cross), clicks, and which list, user and place a row belongs to."""

    names: tuple[str, ...]
    features_NF: Float32
    y_N: Float64
    list_N: Int64
    place_N: Int64
    user_L: Int64

    def part(self, first_list: int, end_list: int) -> "ExampleTable":
        """The rows of lists `first_list` to before `end_list`; lists keep their numbers."""
        rows = slice(*np.searchsorted(self.list_N, [first_list, end_list]).tolist())
        columns = (self.features_NF[rows], self.y_N[rows], self.list_N[rows], self.place_N[rows])
        return ExampleTable(self.names, *columns, self.user_L)

    def of_lists_with_click(self) -> "ExampleTable":
        """The rows of lists that have a click: what a loss over pairs or lists can learn from."""
        clicks = np.bincount(self.list_N, self.y_N)
        rows = clicks[self.list_N] > 0
        columns = (self.features_NF[rows], self.y_N[rows], self.list_N[rows], self.place_N[rows])
        return ExampleTable(self.names, *columns, self.user_L)

    @property
    def sizes(self) -> Int64:
        """Rows of each list that has any, in order."""
        found: Int64 = np.unique(self.list_N, return_counts=True)[1]
        return found


def table_of(log: LogExamples) -> ExampleTable:
    """The table of all lists. An item of a list that was never shown has features of NaN."""
    schema = log.settings.catalogue.schema_
    rows: dict[tuple[str, str], dict[str, Float32]] = {}
    for example in log.examples:
        if isinstance(example, Shown):
            rows.setdefault((example.user_id, example.slate_id), {}).update(_rows(example, schema))
    sizes = [len(one.item_ids) for one in log.lists]
    width = len(schema.user) + len(schema.item) + len(schema.cross)
    return ExampleTable(
        names=(*schema.user, *schema.item, *schema.cross),
        features_NF=np.concatenate([_of_list(one, rows, width) for one in log.lists]),
        y_N=np.concatenate([one.gains for one in log.lists]),
        list_N=np.repeat(np.arange(len(sizes)), sizes),
        place_N=np.concatenate([np.arange(size) for size in sizes]),
        user_L=np.unique([one.user_id for one in log.lists], return_inverse=True)[1].astype(np.int64),
    )


def split_index(lists: Sequence[RankedList], train_frac: float) -> int:
    """Index of the first list after the split, as streams.replay.evaluation splits."""
    return len(lists) - len(lists_after_split(lists, train_frac))


def _rows(shown: Shown, schema: FeatureSchema) -> dict[str, Float32]:
    user_U = decode_array(shown.user, len(schema.user))
    parts = (
        np.repeat(user_U, len(shown.items), 0),
        decode_array(shown.item, len(schema.item)),
        decode_array(shown.cross, len(schema.cross)),
    )
    return dict(zip(shown.items, np.concatenate(parts, 1), strict=True))


def _of_list(one: RankedList, rows: Mapping[tuple[str, str], Mapping[str, Float32]], width: int) -> Float32:
    missing = np.full(width, np.nan, np.float32)
    found = rows.get((one.user_id, one.slate_id), {})
    return np.stack([found.get(item_id, missing) for item_id in one.item_ids])
