"""Feast's online store on RocksDict: one database per feature view and partition, one writer, any number of readers.

A row lies in the partition of its join key, by the same hash as Kafka's, so the worker that owns an `events` partition
owns its rows too. The owner acquires partitions; every other process follows them as RocksDB secondaries, a few
milliseconds behind. A plain Feast write to a partition that nobody owns borrows it for the moment of the write.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from feast import Entity, FeatureView, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_versioned_name
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import RepeatedValue, Value
from feast.repo_config import FeastConfigBaseModel
from pydantic import PositiveInt

from streams.clock import SystemClock
from streams.features.rocks_memory import memory_of_process
from streams.features.row_folders import RowFolders, StoredRow
from streams.features.row_wire import layout_id, pack_header
from streams.kafka.partitioner import partition_for

__all__ = ["RocksDictOnlineStore", "RocksDictOnlineStoreConfig", "partition_folder"]

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
ReadRow = tuple[datetime | None, dict[str, Value] | None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOTHING = Value()


class RocksDictOnlineStoreConfig(FeastConfigBaseModel):
    """The `online_store` section of feature_store.yaml."""

    type: Literal["streams.features.feast_store.RocksDictOnlineStore"] = (
        "streams.features.feast_store.RocksDictOnlineStore"
    )
    path: str = "online_store"
    """Folder of the rows; relative to the feature repo"""
    num_partitions: PositiveInt = 12
    """As many as the `events` topic has"""
    lag_ms: int = 5
    """How far a reader in another process may be behind the owner"""


class RocksDictOnlineStore(OnlineStore):
    """Rows of any feature view, with any entities. Safe to use from several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._folders: RowFolders | None = None

    def folders(self, config: RepoConfig) -> RowFolders:
        """The databases behind this store, for the owner of partitions."""
        if self._folders is None:
            self._folders = RowFolders(SystemClock(), memory_of_process(), config.online_store.lag_ms / 1000)
        return self._folders

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None
    ) -> None:
        """Write rows, unless newer ones are stored. Features that a row leaves out keep their stored values.

        Raises StateError when another process owns a partition of theirs.
        """
        for partition, places in _by_partition(config, [row[0] for row in data]).items():
            self._put(config, partition_folder(config, table, partition), table, [data[place] for place in places])
            if progress:
                progress(len(places))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """Event time and features of each entity key, or (None, None); all features unless some are requested."""
        found: list[ReadRow] = [(None, None)] * len(entity_keys)
        for partition, places in _by_partition(config, entity_keys).items():
            folder = partition_folder(config, table, partition)
            stored = self.folders(config).get(folder, [_key(config, entity_keys[place]) for place in places])
            for place, row in zip(places, stored, strict=True):
                if row is not None:
                    found[place] = (_EPOCH + timedelta(microseconds=row.event_at_us), _values(row, requested_features))
        return found

    def update(  # noqa: PLR0917  # Feast's signature
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,  # noqa: FBT001  # Feast's signature
    ) -> None:
        """Remove the rows of dropped views. Kept views need nothing: their folders come with their rows."""
        del tables_to_keep, entities_to_delete, entities_to_keep, partial
        for table in tables_to_delete:
            self._discard(config, table)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Remove the rows of all views."""
        del entities
        for table in tables:
            self._discard(config, table)

    def _put(self, config: RepoConfig, folder: Path, table: FeatureView, rows: list[Row]) -> None:
        names = tuple(feature.name for feature in table.features)
        keys = [_key(config, row[0]) for row in rows]
        is_whole = all(frozenset(names) <= row[1].keys() for row in rows)
        held = [None] * len(keys) if is_whole else self.folders(config).get(folder, keys)
        records = [_record(names, row, old) for row, old in zip(rows, held, strict=True)]
        self.folders(config).put(folder, keys, records, names)

    def _discard(self, config: RepoConfig, table: FeatureView) -> None:
        view = _view_folder(config, table)
        for folder in sorted(view.glob("*")):
            self.folders(config).discard(folder)
        if view.exists():
            view.rmdir()


def partition_folder(config: RepoConfig, table: FeatureView, partition: int) -> Path:
    """Where a partition's rows lie. The number of partitions is in the name: rows of another split are not ours."""
    return _view_folder(config, table) / f"{partition:03d}-of-{config.online_store.num_partitions:03d}"


def _view_folder(config: RepoConfig, table: FeatureView) -> Path:
    name = compute_versioned_name(table, config.registry.enable_online_feature_view_versioning)
    root = Path(str(config.repo_path or "."), str(config.online_store.path))
    return root.resolve() / str(config.project) / str(name)


def _key(config: RepoConfig, entity_key: EntityKey) -> bytes:
    key: bytes = serialize_entity_key(entity_key, config.entity_key_serialization_version)
    return key


def _by_partition(config: RepoConfig, entity_keys: Sequence[EntityKey]) -> dict[int, list[int]]:
    places: dict[int, list[int]] = {}
    for place, entity_key in enumerate(entity_keys):
        partition = partition_for(_partition_text(config, entity_key), config.online_store.num_partitions)
        places.setdefault(partition, []).append(place)
    return places


def _partition_text(config: RepoConfig, entity_key: EntityKey) -> str:
    """A single string is hashed as the Kafka key that it is; anything else only has to land at one place always."""
    values = entity_key.entity_values
    if len(values) == 1 and values[0].WhichOneof("val") == "string_val":
        return str(values[0].string_val)
    return _key(config, entity_key).hex()


def _record(names: tuple[str, ...], row: Row, held: StoredRow | None) -> bytes:
    _, values, event_at, created_at = row
    before = {} if held is None else _values(held, None)
    message = RepeatedValue(val=[values.get(name, before.get(name, _NOTHING)) for name in names])
    header = pack_header(_us(event_at), 0 if created_at is None else _us(created_at), layout_id(names))
    return header + bytes(message.SerializeToString())


def _values(row: StoredRow, requested: list[str] | None) -> dict[str, Value]:
    values = RepeatedValue.FromString(row.values).val
    if requested is None:
        return dict(zip(row.names, values, strict=True))
    # Parsing a row is quick; making a Python object of each of its values is not.
    places = _places(row.names)
    return {name: values[places[name]] if name in places else _NOTHING for name in requested}


@lru_cache(maxsize=256)
def _places(names: tuple[str, ...]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}


def _us(moment: datetime) -> int:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
