"""Rows into Feast's Redis store, with the same rule on event times as in our own store.

Feast's store skips a row whose event time equals the stored one, but a late event changes a row without moving its
time. So times are compared here, which costs the same round trip, and Feast writes without comparing. The run's
feature_store.yaml keeps Feast's comparison on for everyone else.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.helpers import _mmh3, _redis_key
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import RepeatedValue, Value

from streams.features.row_wire import HEADER_BYTES, encode_records
from streams.features.rows import JOIN_KEYS, Column, RowBatch

__all__ = ["RedisRows"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class RedisRows:
    """Writes and removes rows of our views through Feast's `RedisOnlineStore`. Redis has no partitions to own."""

    def __init__(
        self,
        config: RepoConfig,
        store: RedisOnlineStore,
        views: Mapping[str, FeatureView],
        columns: Mapping[str, Sequence[Column]],
        num_partitions: int,
    ) -> None:
        # Our own copy of the configuration: nobody else writes through it.
        config.online_store.skip_dedup = True
        self._config, self._store, self._views, self._columns = config, store, views, columns
        self._num_partitions = num_partitions

    def acquire(self, view: str, partition: int) -> bool:
        """True when this Redis was never told that it holds all rows of the partition: it is new, or was emptied."""
        return not self._client().exists(self._mark(view, partition))

    def mark_filled(self, view: str, partition: int) -> None:
        """No row is lacking."""
        self._client().set(self._mark(view, partition), 1)

    def release(self, view: str, partition: int) -> None:
        """Nothing is held."""

    def write(self, batch: RowBatch, created_at_ms: int, partition: int | None) -> int:
        """Write rows unless newer ones are stored."""
        del partition
        table, columns = self._views[batch.view], self._columns[batch.view]
        keys = self._keys(batch.view, batch.entity_ids)
        rows = self._not_older(table, keys, batch)
        names = [column.name for column in columns]
        records = encode_records(columns, batch.select(rows), created_at_ms)
        data = [
            (
                keys[row],
                dict(zip(names, RepeatedValue.FromString(record[HEADER_BYTES:]).val, strict=True)),
                _EPOCH + int(batch.event_at_ms[row]) * _MILLISECOND,
                None,
            )
            for row, record in zip(rows, records, strict=True)
        ]
        self._store.online_write_batch(self._config, table, data, None)
        return len(data)

    def delete(self, view: str, entity_ids: Sequence[str]) -> int:
        """Remove rows."""
        features = [_mmh3(f"{view}:{column.name}") for column in self._columns[view]]
        with self._client().pipeline(transaction=False) as pipe:
            for key in self._keys(view, entity_ids):
                name = _redis_key(self._config.project, key, self._config.entity_key_serialization_version)
                pipe.hdel(name, f"_ts:{view}")
                pipe.hdel(name, *features)
            return sum(pipe.execute()[::2])

    def close(self) -> None:
        """Close the connections."""
        self._client().close()

    def _client(self) -> Any:  # a plain client, a cluster's or a sentinel's, as the string says
        return self._store._get_client(self._config.online_store)  # noqa: SLF001  # Feast offers no other way

    def _mark(self, view: str, partition: int) -> str:
        return f"{self._config.project}:filled:{view}:{partition:03d}-of-{self._num_partitions:03d}"

    def _keys(self, view: str, entity_ids: Sequence[str]) -> list[EntityKey]:
        join_key = JOIN_KEYS[view]
        return [EntityKey(join_keys=[join_key], entity_values=[Value(string_val=text)]) for text in entity_ids]

    def _not_older(self, table: FeatureView, keys: list[EntityKey], batch: RowBatch) -> list[int]:
        """The last of the newest rows of each entity, unless the stored one is newer."""
        first = [self._columns[batch.view][0].name]
        held = self._store.online_read(self._config, table, keys, first)
        chosen: dict[str, int] = {}
        latest: dict[str, int] = {}
        for row, (entity_id, (stored_at, _)) in enumerate(zip(batch.entity_ids, held, strict=True)):
            at_ms = int(batch.event_at_ms[row])
            if at_ms >= latest.setdefault(entity_id, _ms(stored_at)):
                chosen[entity_id], latest[entity_id] = row, at_ms
        return sorted(chosen.values())


def _ms(moment: datetime | None) -> int:
    """Redis rows come back with times that went through a float; ours are whole milliseconds."""
    return np.iinfo(np.int64).min if moment is None else round((moment - _EPOCH) / _MILLISECOND)
