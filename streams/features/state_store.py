"""The state of one `events` partition on disk: a RocksDict folder, written in atomic batches that carry their offset.

A batch holds changed records and the partition's own record (`META_KEY`), which says up to which `events` offset the
state includes everything. A crash leaves the state as of some batch, never between two.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

from rocksdict import Rdict, WriteBatch, WriteOptions

from streams.errors import StateError
from streams.features.rocks_memory import memory_of_process

__all__ = ["META_KEY", "Record", "StateStore"]

Record = tuple[bytes, bytes | None]
META_KEY = b"m:partition"


class StateStore:
    """Bytes by key. One process at a time; raises StateError when another one holds the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._write_options = WriteOptions()
        self._db = self._open()

    def _open(self) -> Rdict:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            return Rdict(str(self._folder), memory_of_process().options())
        except Exception as error:
            raise StateError(
                f"the state in {self._folder} could not be opened ({error}); one worker must hold it alone: stop the "
                "other one, or, when the folder is damaged, remove it: the changelog brings the state back"
            ) from error

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return cast("bytes | None", self._db.get(key))

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Values in the order of the keys, None where absent."""
        return cast("list[bytes | None]", self._db[list(keys)]) if keys else []

    def write(self, records: Iterable[Record]) -> None:
        """Write all records at once, or none; a value of None deletes."""
        batch = WriteBatch(raw_mode=True)
        for key, value in records:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self._db.write(batch, self._write_options)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Key without the prefix, and value, of all keys with the prefix, in order."""
        for key, value in cast("Iterator[tuple[bytes, bytes]]", self._db.items(from_key=prefix)):
            if not key.startswith(prefix):
                return
            yield key[len(prefix) :], value

    def clear(self) -> None:
        """Remove everything: the folder is too old to be caught up from the changelog."""
        self.close()
        shutil.rmtree(self._folder)
        self._db = self._open()

    @property
    def num_bytes(self) -> int:
        """Estimated size of the live records: those in files, and those still in the write buffers."""
        names = ("rocksdb.estimate-live-data-size", "rocksdb.cur-size-all-mem-tables")
        return sum(int(self._db.property_int_value(name) or 0) for name in names)

    def close(self) -> None:
        """Release the folder."""
        self._db.close()
