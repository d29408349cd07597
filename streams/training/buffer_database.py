"""The replay buffer's database: bytes by key in a RocksDict folder, written in atomic batches.

A killed process loses no batch that was written, and leaves none half written. It knows no slates and no keys.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from rocksdict import AccessType, BlockBasedOptions, Options, Rdict, WriteBatch

from streams.errors import StateError

__all__ = ["BufferDatabase"]

WRITE_BUFFER_BYTES = 32 << 20


class BufferDatabase:
    """One process at a time; raises StateError when another one holds the folder.

    `is_read_only`: the folder as it is now, beside a process that holds it; what that one writes later is not seen.
    """

    def __init__(self, folder: Path, *, is_read_only: bool = False) -> None:
        if not is_read_only:
            folder.mkdir(parents=True, exist_ok=True)
        options = Options(raw_mode=True)
        table = BlockBasedOptions()
        # Nearly every slate is new when it arrives: the filter answers that without a disk read.
        table.set_bloom_filter(10, block_based=False)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_max_write_buffer_number(2)
        try:
            self._db = Rdict(
                str(folder), options, access_type=AccessType.read_only() if is_read_only else AccessType.read_write()
            )
        except Exception as error:
            raise StateError(
                f"the replay buffer in {folder} could not be opened ({error}); one trainer must hold it alone: stop "
                "the other one, or, when the folder is damaged, remove it: what the topic still holds is read again"
            ) from error

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Values in the order of the keys, None where absent."""
        wanted: list[Any] = list(keys)
        return cast("list[bytes | None]", self._db[wanted]) if wanted else []

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Write all changes at once, or none; a value of None deletes."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self._db.write(batch)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys with the prefix, and their values, in order."""
        for key, value in cast("Iterator[tuple[bytes, bytes]]", self._db.items(from_key=prefix)):
            if not key.startswith(prefix):
                return
            yield key, value

    def close(self) -> None:
        """Release the folder."""
        self._db.close()
