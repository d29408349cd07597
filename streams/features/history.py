"""Every row that was written, as Parquet parts that Feast reads as one table, point in time.

Rows are first appended to a spool, which survives a killed process: the next writer of the view makes a part of it. A
full or old spool becomes a part, by rename, so a reader never sees half a file. Parts only grow in number.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate, chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streams.features.history_spool import Spool, left_spools, locked, spooled
from streams.features.rows import JOIN_KEYS, Column, RowBatch

__all__ = ["CREATED_AT", "EVENT_AT", "Erased", "History", "begin_history", "history_folder", "num_rows_of"]

EVENT_AT, CREATED_AT = "event_at", "created_at"
_GONE, _UP_TO = "entity_id", "up_to_ms"
_TIME = pa.timestamp("ms", "UTC")
_TYPES = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string_list": pa.list_(pa.string()),
    "float_list": pa.list_(pa.float32()),
}


def history_folder(view: str, columns: Sequence[Column]) -> Path:
    """Where a view's parts lie, relative to the feature repo. Other columns have another folder: files do not mix."""
    names = json.dumps([(column.name, column.kind) for column in columns])
    return Path("history", f"{view}-{hashlib.sha256(names.encode()).hexdigest()[:8]}")


def begin_history(repo: Path, view: str, columns: Sequence[Column]) -> None:
    """Make the folder readable before the first row: Feast cannot read a table without a single file."""
    folder = repo / history_folder(view, columns)
    folder.mkdir(parents=True, exist_ok=True)
    empty = folder / "part-0.parquet"
    if not empty.exists():
        _write_part(_schema(view, columns).empty_table(), empty, aside=repo / str(uuid.uuid4()))


def num_rows_of(repo: Path, view: str, entity_id: str) -> int:
    """How many rows of an entity the parts of a view hold, in any columns that it had. Reads a column of every part."""
    parts = [str(part) for part in (repo / "history").glob(f"{view}-*/*.parquet")]
    key = JOIN_KEYS[view]
    return sum(pc.sum(pc.equal(pq.read_table(part, columns=[key])[key], entity_id)).as_py() or 0 for part in parts)


class Erased(NamedTuple):
    """`is_whole`: no spool of another process holds rows that were to be erased."""

    num_rows: int
    is_whole: bool


class History:
    """Rows of one view on their way to parts. One object per process and view; several processes may write a view.

    A part is made after `max_rows` rows, or when the first row of the spool is `interval_s` old (see `publish_due`).
    """

    def __init__(self, repo: Path, view: str, columns: Sequence[Column], max_rows: int, interval_s: float) -> None:
        self._view, self._columns, self._schema = view, columns, _schema(view, columns)
        self._max_rows, self._interval_ms = max_rows, interval_s * 1000
        self._parts = repo / history_folder(view, columns)
        self._spools = repo / "spool" / self._parts.name
        self._spool: Spool | None = None
        self._num_rows = self._since_ms = 0
        self._spools.mkdir(parents=True, exist_ok=True)
        begin_history(repo, view, columns)
        # Compressing a part takes a second; the thread that writes rows must not wait for it.
        self._maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"history-{view}")
        self._making = self._maker.submit(self._make_parts)

    def add(self, batch: RowBatch, created_at_ms: int) -> None:
        """Append rows, written at wall time `created_at_ms`. They outlive this process from here on."""
        if self._spool is None:
            self._spool, self._since_ms = Spool(self._spools, self._schema), created_at_ms
        self._spool.write(_record_batch(self._schema, self._columns, batch, created_at_ms))
        self._num_rows += len(batch)
        self.publish_due(created_at_ms)

    def publish_due(self, now_ms: int) -> None:
        """Make a part of the spool if it is full, or old at wall time `now_ms`."""
        is_old = self._num_rows > 0 and now_ms - self._since_ms >= self._interval_ms
        if is_old or self._num_rows >= self._max_rows:
            self._end_spool()

    def publish(self) -> None:
        """Make a part of the rows so far, and wait for it."""
        self.begin_publish().result()

    def close(self) -> None:
        """Publish what there is, and stop."""
        self._end_spool()
        self._making.result()
        self._maker.shutdown()

    def begin_publish(self) -> "Future[None]":
        """Begin to make parts of the rows so far, and of spools that were left."""
        self._end_spool()
        self._making = self._maker.submit(self._make_parts)
        return self._making

    def erase(self, up_to_ms: Mapping[str, int]) -> Erased:
        """Remove rows of some entities, up to an event time each, from the parts. Publish before.

        May run beside a thread that adds rows. Other processes' spools are only looked at: they become parts in time.
        """
        gone = pa.table({_GONE: pa.array(up_to_ms, pa.string()), _UP_TO: pa.array(up_to_ms.values(), pa.int64())})
        # Before the parts: a spool that becomes a part meanwhile is looked at again.
        in_spools = (rows for folder in self._layouts(self._spools) for rows in spooled(folder))
        is_whole = not any(_gone_rows(rows, self._view, gone).any() for rows in in_spools)
        num_erased = 0
        with locked(self._spools.parent / f"erasing-{self._view}"):
            for part in sorted(part for folder in self._layouts(self._parts) for part in folder.glob("*.parquet")):
                num_erased += self._erase_from(part, gone)
        return Erased(num_erased, is_whole)

    def _erase_from(self, part: Path, gone: pa.Table) -> int:
        is_gone = _gone_rows(pq.read_table(part, columns=[JOIN_KEYS[self._view], EVENT_AT]), self._view, gone)
        if not is_gone.any():
            return 0
        _write_part(pq.read_table(part).filter(pa.array(~is_gone)), part, aside=self._spools / part.name)
        return int(is_gone.sum())

    def _end_spool(self) -> None:
        if self._spool is not None:
            self._making.result()  # raises what went wrong with the part before; its spool is tried again now
            self._spool.close()
            self._spool, self._num_rows = None, 0
            self._making = self._maker.submit(self._make_parts)

    def _make_parts(self) -> None:
        for spools in self._layouts(self._spools):
            for name, batches in left_spools(spools):
                if batches:
                    # Named after its spool: made twice (killed before the spool was removed), a part replaces itself.
                    part = self._parts.parent / spools.name / f"part-{name}.parquet"
                    _write_part(pa.Table.from_batches(batches), part, aside=spools / part.name)

    def _layouts(self, folder: Path) -> list[Path]:
        """This folder, and those of other columns that the view had before."""
        return sorted(folder.parent.glob(f"{self._view}-*"))


def _gone_rows(rows: pa.Table | pa.RecordBatch, view: str, gone: pa.Table) -> NDArray[np.bool_]:
    """bool[N]: which rows are of an entity that is to be gone up to their time."""
    place = pc.index_in(rows[JOIN_KEYS[view]], gone[_GONE].combine_chunks())
    up_to_ms = pc.fill_null(pc.take(gone[_UP_TO], place), -1)
    at_ms = np.asarray(rows[EVENT_AT].cast(pa.int64()))
    return np.asarray(at_ms <= np.asarray(up_to_ms), bool)


def _schema(view: str, columns: Sequence[Column]) -> pa.Schema:
    head = [(JOIN_KEYS[view], pa.string()), (EVENT_AT, _TIME), (CREATED_AT, _TIME)]
    return pa.schema(head + [(column.name, _TYPES[column.kind]) for column in columns])


def _record_batch(schema: pa.Schema, columns: Sequence[Column], batch: RowBatch, created_at_ms: int) -> pa.RecordBatch:
    created = np.full(len(batch), created_at_ms, np.int64)
    times = [pa.array(np.asarray(at_ms, np.int64)).cast(_TIME) for at_ms in (batch.event_at_ms, created)]
    values = [_array(column, batch.columns[column.name]) for column in columns]
    return pa.RecordBatch.from_arrays([pa.array(batch.entity_ids, pa.string()), *times, *values], schema=schema)


def _array(column: Column, values: NDArray[np.generic] | Sequence[Sequence[object]]) -> pa.Array:
    if isinstance(values, np.ndarray):
        return pa.array(np.ascontiguousarray(values), _TYPES[column.kind])
    ends = pa.array(list(accumulate(map(len, values), initial=0)), pa.int32())
    if column.kind == "float_list":
        return pa.ListArray.from_arrays(ends, pa.array(np.fromiter(chain.from_iterable(values), np.float32)))
    return pa.ListArray.from_arrays(ends, pa.array(list(chain.from_iterable(values)), pa.string()))


def _write_part(table: pa.Table, part: Path, aside: Path) -> None:
    pq.write_table(table, aside, compression="zstd")
    aside.replace(part)
