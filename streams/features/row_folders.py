"""All partitions of rows that this process writes or reads, by folder.

Partitions are acquired by their owner; any other write borrows the partition for a moment, and any other read follows
the owner. Safe to use from several threads: one lock, held while RocksDB works, not while rows are parsed.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import NamedTuple

from streams.clock import Clock
from streams.errors import StateError
from streams.features.followed_rows import FollowedRows
from streams.features.owned_rows import OwnedRows
from streams.features.rocks_memory import RocksMemory
from streams.features.row_databases import discard
from streams.features.row_wire import HEADER_BYTES, unpack_header

__all__ = ["RowFolders", "StoredRow"]

# A borrower holds a partition for milliseconds; who holds it longer than this owns it, or was paused while owning it.
PATIENCE_S = 0.5


class StoredRow(NamedTuple):
    """A row as it was stored. `values`: the bytes of a Feast `RepeatedValue`, one value for each of `names`."""

    event_at_us: int
    names: tuple[str, ...]
    values: bytes


class RowFolders:
    """Open databases of one process. `lag_s`: how far reads may be behind an owner in another process."""

    def __init__(self, clock: Clock, memory: RocksMemory, lag_s: float) -> None:
        self._clock, self._memory, self._lag_s = clock, memory, lag_s
        self._lock = RLock()
        self._owned: dict[Path, OwnedRows] = {}
        self._followed: dict[Path, FollowedRows] = {}
        self._names: dict[bytes, tuple[str, ...]] = {}
        self._scratch = tempfile.TemporaryDirectory(prefix="freshrank-rows-")

    def acquire(self, folder: Path) -> bool:
        """Own a partition until `release`. True when rows that exist elsewhere may be lacking (see `mark_filled`).

        Raises StateError when the folder cannot be used at all. A lock of a paused process is no hindrance.
        """
        with self._lock:
            if folder not in self._owned:
                self._unfollow(folder)
                self._owned[folder] = OwnedRows.take_over(folder, self._memory, PATIENCE_S)
            return self._owned[folder].is_fresh

    def mark_filled(self, folder: Path) -> None:
        """Note that an owned partition lacks no row."""
        with self._lock:
            self._of_owner(folder).mark_filled()

    def release(self, folder: Path) -> None:
        """Give a partition up, so that another process can own it. Nothing happens when it is not owned."""
        with self._lock:
            rows = self._owned.pop(folder, None)
            if rows is not None:
                rows.close()

    def put(self, folder: Path, keys: Sequence[bytes], records: Sequence[bytes], names: Sequence[str]) -> int:
        """Write records that hold `names`, unless newer ones are stored. Returns how many were written."""
        with self._lock, self._writable(folder) as rows:
            return rows.put(keys, records, names)

    def delete(self, folder: Path, keys: Sequence[bytes]) -> int:
        """Remove rows for good. Returns how many there were."""
        with self._lock, self._writable(folder) as rows:
            return rows.delete(keys)

    def get(self, folder: Path, keys: Sequence[bytes]) -> list[StoredRow | None]:
        """The row of each key, or none."""
        with self._lock:
            rows = self._owned.get(folder) or self._follow(folder)
            return [None if record is None else self._parse(rows, record) for record in rows.get(keys)]

    def discard(self, folder: Path) -> None:
        """Remove a partition with all its rows. Raises StateError when another process writes it."""
        with self._lock:
            self.release(folder)
            self._unfollow(folder)
            discard(folder)

    def close(self) -> None:
        """Give everything up."""
        with self._lock:
            for folder in list(self._owned):
                self.release(folder)
            for folder in list(self._followed):
                self._unfollow(folder)
            self._scratch.cleanup()

    @contextmanager
    def _writable(self, folder: Path) -> Iterator[OwnedRows]:
        owned = self._owned.get(folder)
        if owned is not None:
            yield owned
            return
        borrowed = OwnedRows.borrow(folder, self._memory, PATIENCE_S)
        try:
            yield borrowed
        finally:
            borrowed.close()

    def _of_owner(self, folder: Path) -> OwnedRows:
        if folder not in self._owned:
            raise StateError(f"rows in {folder} are not owned by this process; acquire the partition first")
        return self._owned[folder]

    def _follow(self, folder: Path) -> FollowedRows:
        rows = self._followed.get(folder)
        if rows is None:
            scratch = Path(tempfile.mkdtemp(dir=self._scratch.name))
            rows = self._followed[folder] = FollowedRows(folder, self._memory, scratch, self._lag_s)
        rows.refresh(self._clock.monotonic_s())
        return rows

    def _unfollow(self, folder: Path) -> None:
        rows = self._followed.pop(folder, None)
        if rows is not None:
            rows.close()

    def _parse(self, rows: OwnedRows | FollowedRows, record: bytes) -> StoredRow:
        event_at_us, _, layout = unpack_header(record)
        names = self._names.get(layout)
        if names is None:
            names = self._names[layout] = rows.names_of(layout)
        return StoredRow(event_at_us, names, record[HEADER_BYTES:])
