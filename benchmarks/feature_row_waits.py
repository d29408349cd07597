"""From an event's append to the first Feast row that includes it, from the history of every row that was written.

A row stands for all events of its user (item) up to its event time. The end is the moment at which the row was handed
to the store; `feast.FeatureStore` of another process sees it some milliseconds later. Of a busy item a row may count as
including an event whose partition has not told yet; of users the figure is exact.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streams.features.history import CREATED_AT, EVENT_AT, History, history_folder
from streams.features.rows import JOIN_KEYS, view_columns
from streams.settings import Settings

__all__ = ["row_waits_ms"]

Event = tuple[str, int, int]


def row_waits_ms(settings: Settings, view: str, events: Iterable[Event]) -> tuple[list[int], int]:
    """Waits in milliseconds of (id, occurred, appended), and how many events have no row.

    The worker must have stopped: its last rows are a part of the history then.
    """
    repo, columns = settings.data_dir / "feature_repo", view_columns(view, settings.catalogue.affinity)
    # A worker that was killed left its last rows in a spool; the next writer of the view makes a part of it.
    History(repo, view, columns, max_rows=1, interval_s=1.0).close()
    folder = repo / history_folder(view, columns)
    rows: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for part in sorted(folder.glob("*.parquet")):
        for entity_id, event_ms, written_ms in _rows(part, JOIN_KEYS[view]):
            rows[entity_id].append((event_ms, written_ms))
    for of_one in rows.values():
        of_one.sort(key=lambda row: row[1])
    waits_ms, num_missing = [], 0
    for entity_id, occurred_ms, appended_ms in events:
        of_one = rows.get(entity_id, [])
        # Event times of one entity's rows never go back, so the first row that is late enough is found by halving.
        place = bisect_left(of_one, occurred_ms, key=lambda row: row[0])
        if place == len(of_one):
            num_missing += 1
        else:
            waits_ms.append(max(of_one[place][1] - appended_ms, 0))
    return waits_ms, num_missing


def _rows(part: Path, join_key: str) -> Iterable[tuple[str, int, int]]:
    table = pq.read_table(part, columns=[join_key, EVENT_AT, CREATED_AT])
    times = [table[name].cast(pa.int64()).to_pylist() for name in (EVENT_AT, CREATED_AT)]
    return zip(table[join_key].to_pylist(), *times, strict=True)
