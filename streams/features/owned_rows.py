"""The rows of one view in one partition, open for writing by their one owner.

Knows bytes, keys and event times, not what a row means. An older row never replaces a newer one; at equal event times
the newcomer wins, because a row may be published again with a correction.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from rocksdict import BottommostLevelCompaction, CompactOptions, Rdict, WriteBatch

from streams.errors import StateError
from streams.features import generations
from streams.features.generations import Ticks
from streams.features.rocks_memory import RocksMemory
from streams.features.row_databases import (
    FILLED,
    LAYOUT,
    copy_rows,
    open_database,
    read_layout,
    read_records,
    sweep,
    who_writes,
)
from streams.features.row_wire import event_times_us, layout_id, unpack_header

__all__ = ["OwnedRows"]


class OwnedRows:
    """A partition open for reading and writing. Only one process can hold a generation."""

    def __init__(self, folder: Path, name: str, database: Rdict) -> None:
        self._folder, self._name, self._db = folder, name, database
        self._ticks = Ticks.of_writer(folder)
        self._layouts: set[bytes] = set()
        self._listing: list[str] = []
        generations.name_owner(folder)

    @classmethod
    def borrow(cls, folder: Path, memory: RocksMemory, patience_s: float) -> "OwnedRows":
        """Open for a single write. Raises StateError when another process holds it longer than `patience_s`."""
        name = generations.current(folder)
        if name is None:
            return cls._begin(folder, memory)
        database = open_database(folder / name, memory, patience_s)
        if database is None:
            raise StateError(
                f"rows in {folder} are held for writing by {who_writes(folder)}; rows have one writer at a time; "
                "send the change as an event, or stop that process"
            )
        return cls(folder, name, database)

    @classmethod
    def take_over(cls, folder: Path, memory: RocksMemory, patience_s: float) -> "OwnedRows":
        """Open as the owner. What a paused process holds is copied, and what is damaged left, for a new generation.

        Raises StateError when another process took over at the same time.
        """
        name = generations.current(folder)
        if name is None:
            return cls._begin(folder, memory)
        try:
            database = open_database(folder / name, memory, patience_s)
        except StateError:
            return cls._begin(folder, memory, after=name)
        if database is None:
            return cls._replace(folder, memory, name)
        sweep(folder, name)
        return cls(folder, name, database)

    @classmethod
    def _begin(cls, folder: Path, memory: RocksMemory, after: str | None = None) -> "OwnedRows":
        """Start anew: whoever owns a partition writes its rows again."""
        rows = cls(folder, *_new_database(folder, memory))
        rows._publish(after)
        return rows

    @classmethod
    def _replace(cls, folder: Path, memory: RocksMemory, held: str) -> "OwnedRows":
        """Go on beside a process that holds the rows, and may be awake: what it writes until it is replaced counts.

        So the rows are brought over twice, and that none is lacking is noted last: before and after.
        """
        rows = cls(folder, *_new_database(folder, memory))
        scratch = folder / f"source-of-{rows._name}"
        copy_rows(folder / held, rows._db, memory, scratch)
        rows._publish(after=held)
        if copy_rows(folder / held, rows._db, memory, scratch):
            rows.mark_filled()
        return rows

    def _publish(self, after: str | None) -> None:
        if not generations.publish(self._folder, self._name, after):
            self.close()
            raise StateError(
                f"rows in {self._folder} were taken over by {who_writes(self._folder)} at the same time; rows have one "
                "owner; acquire the partition again if it is still assigned"
            )
        self._ticks.move()
        sweep(self._folder, self._name)

    @property
    def is_fresh(self) -> bool:
        """Whether rows that exist elsewhere may be lacking here: true of new rows until `mark_filled`, once for all."""
        return FILLED not in self._db

    def mark_filled(self) -> None:
        """Every row that exists has been written."""
        self._db[FILLED] = b"1"

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The record of each key."""
        return read_records(self._db, keys)

    def names_of(self, layout: bytes) -> tuple[str, ...]:
        """The features of a record with this layout, in order."""
        return read_layout(self._db, layout)

    def put(self, keys: Sequence[bytes], records: Sequence[bytes], names: Sequence[str]) -> int:
        """Write records of one layout unless a newer one is stored. Returns how many were written."""
        self._check_current()
        held = self.get(keys)
        batch = WriteBatch(raw_mode=True)
        is_older = event_times_us(records) < event_times_us(held)
        if is_older.any() or len(set(keys)) < len(keys):
            for key, record in _newest(keys, records, held).items():
                batch.put(key, record)
        else:
            for key, record in zip(keys, records, strict=True):
                batch.put(key, record)
        num_written = len(batch)
        self._note_layout(batch, names)
        self._db.write(batch)
        self._ticks.move()
        # Whoever replaced this generation before now may have missed the rows.
        self._check_current()
        return num_written

    def delete(self, keys: Sequence[bytes]) -> int:
        """Remove rows, and their bytes from the files. Returns how many there were."""
        self._check_current()
        held = [key for key, record in zip(keys, self.get(keys), strict=True) if record is not None]
        for key in held:
            del self._db[key]
        if keys:
            # Also when no row is left: a process killed right here left the bytes of rows that were already gone.
            self._db.flush()
            self._db.compact_range(min(keys), max(keys) + b"\0", _fully())
        self._ticks.move()
        self._check_current()
        return len(held)

    def close(self) -> None:
        """Give the partition up."""
        self._db.close()
        self._ticks.close()

    def _note_layout(self, batch: WriteBatch, names: Sequence[str]) -> None:
        layout = layout_id(names)
        if layout not in self._layouts:
            batch.put(LAYOUT + layout, json.dumps(list(names)).encode())
            self._layouts.add(layout)

    def _check_current(self) -> None:
        # Before it is resolved: what comes meanwhile makes the next listing another one.
        listing = generations.listing(self._folder)
        if listing == self._listing:
            return
        name = generations.current(self._folder)
        if name != self._name:
            raise StateError(
                f"rows in {self._folder} were taken over by another process: {name} counts, {self._name} is held; "
                "rows have one owner; release the partition, and acquire it when it is assigned again"
            )
        self._listing = listing


def _new_database(folder: Path, memory: RocksMemory) -> tuple[str, Rdict]:
    folder.mkdir(parents=True, exist_ok=True)
    name = generations.next_generation(folder)
    database = open_database(folder / name, memory, patience_s=0.0)
    if database is None:
        raise StateError(f"rows in {folder / name} are new and yet locked; needed one owner; stop {who_writes(folder)}")
    return name, database


def _newest(keys: Sequence[bytes], records: Sequence[bytes], held: Sequence[bytes | None]) -> dict[bytes, bytes]:
    kept: dict[bytes, bytes] = {}
    for key, record, old in zip(keys, records, held, strict=True):
        rival = kept.get(key, old)
        if rival is None or unpack_header(record)[0] >= unpack_header(rival)[0]:
            kept[key] = record
    return kept


def _fully() -> CompactOptions:
    options = CompactOptions()
    options.set_bottommost_level_compaction(BottommostLevelCompaction.force())
    return options
