"""Rows into our own online store: ready bytes, without an object per value.

The bytes are those that Feast's own call would lead to (a test compares them), so every Feast reader understands them.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from feast import FeatureView, RepoConfig

from streams.features.feast_store import RocksDictOnlineStore, partition_folder
from streams.features.row_wire import encode_records
from streams.features.rows import JOIN_KEYS, Column, RowBatch
from streams.kafka.partitioner import partition_for

__all__ = ["RocksDictRows", "entity_key_prefix"]

# feast/types/Value.proto: ValueType.STRING.
_STRING = 2


def entity_key_prefix(join_key: str) -> bytes:
    """What Feast's serialised key (version 3) of a single string join key starts with; length and value follow."""
    name = join_key.encode()
    return struct.pack("<III", 1, _STRING, len(name)) + name + struct.pack("<I", _STRING)


class RocksDictRows:
    """Writes and removes rows of our views in the databases behind a `RocksDictOnlineStore`."""

    def __init__(
        self,
        config: RepoConfig,
        store: RocksDictOnlineStore,
        views: Mapping[str, FeatureView],
        columns: Mapping[str, Sequence[Column]],
    ) -> None:
        self._config, self._views, self._columns = config, views, columns
        self._folders = store.folders(config)
        self._names = {view: [column.name for column in columns[view]] for view in views}
        self._prefixes = {view: entity_key_prefix(JOIN_KEYS[view]) for view in views}

    def acquire(self, view: str, partition: int) -> bool:
        """Own the rows of a partition; true when rows may be lacking."""
        return self._folders.acquire(self._folder(view, partition))

    def mark_filled(self, view: str, partition: int) -> None:
        """No row is lacking."""
        self._folders.mark_filled(self._folder(view, partition))

    def release(self, view: str, partition: int) -> None:
        """Give the rows of a partition up."""
        self._folders.release(self._folder(view, partition))

    def write(self, batch: RowBatch, created_at_ms: int, partition: int | None) -> int:
        """Write rows unless newer ones are stored; all in one partition when it is given."""
        records = encode_records(self._columns[batch.view], batch, created_at_ms)
        keys = self._keys(batch.view, batch.entity_ids)
        num_written = 0
        for part, rows in self._by_partition(batch.entity_ids, partition).items():
            folder = self._folder(batch.view, part)
            chosen = [keys[row] for row in rows], [records[row] for row in rows]
            num_written += self._folders.put(folder, *chosen, self._names[batch.view])
        return num_written

    def delete(self, view: str, entity_ids: Sequence[str]) -> int:
        """Remove rows for good."""
        keys, num_deleted = self._keys(view, entity_ids), 0
        for part, rows in self._by_partition(entity_ids, None).items():
            num_deleted += self._folders.delete(self._folder(view, part), [keys[row] for row in rows])
        return num_deleted

    def close(self) -> None:
        """Give everything up."""
        self._folders.close()

    def _folder(self, view: str, partition: int) -> Path:
        return partition_folder(self._config, self._views[view], partition)

    def _keys(self, view: str, entity_ids: Sequence[str]) -> list[bytes]:
        prefix, pack = self._prefixes[view], struct.Struct("<I").pack
        raws = [entity_id.encode() for entity_id in entity_ids]
        return [prefix + pack(len(raw)) + raw for raw in raws]

    def _by_partition(self, entity_ids: Sequence[str], partition: int | None) -> dict[int, list[int]]:
        if partition is not None:
            return {partition: list(range(len(entity_ids)))}
        parts: dict[int, list[int]] = {}
        for row, entity_id in enumerate(entity_ids):
            parts.setdefault(partition_for(entity_id, self._config.online_store.num_partitions), []).append(row)
        return parts
