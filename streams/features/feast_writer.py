"""The worker's way to Feast: resolves the feature views once, then writes batches of rows, and keeps their history.

Into our own store go ready bytes; into Redis, rows through Feast's store. Either way an older row never replaces a
newer one, and at equal event times the newcomer wins. Meant for one writer thread; others may acquire and release.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Protocol

from feast import FeatureStore, FeatureView
from feast.infra.online_stores.online_store import OnlineStore

from streams.clock import Clock, SystemClock
from streams.errors import SchemaMismatchError, SettingsError
from streams.features.feast_rocksdict import RocksDictRows
from streams.features.feast_store import RocksDictOnlineStore
from streams.features.history import History
from streams.features.rows import VIEWS, Column, RowBatch, view_columns
from streams.settings import Settings

__all__ = ["FeatureRowWriter"]


class RowTarget(Protocol):
    """Where rows go."""

    def acquire(self, view: str, partition: int) -> bool: ...
    def mark_filled(self, view: str, partition: int) -> None: ...
    def release(self, view: str, partition: int) -> None: ...
    def write(self, batch: RowBatch, created_at_ms: int, partition: int | None) -> int: ...
    def delete(self, view: str, entity_ids: Sequence[str]) -> int: ...
    def close(self) -> None: ...


class FeatureRowWriter:
    """Writes feature rows of `user_counters` and `item_counters` into the online store and the history of a repo.

    Raises SchemaMismatchError when the repo was applied for other columns, SettingsError for an unknown online store.
    """

    def __init__(self, repo_path: Path, settings: Settings, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = RLock()
        store = FeatureStore(repo_path=str(repo_path))
        self._columns = {view: view_columns(view, settings.catalogue.affinity) for view in VIEWS}
        self._views = {view: _resolve(store, view, self._columns[view]) for view in VIEWS}
        self._target = _target(store, self._views, self._columns, settings.num_partitions)
        limits = settings.feast.history_rows, settings.feast.history_interval_s
        self._history = {view: History(repo_path, view, self._columns[view], *limits) for view in VIEWS}

    def acquire(self, view: str, partition: int) -> bool:
        """Own a partition of a view. True: rows that exist may be lacking, so write them all, then `mark_filled`.

        Raises StateError when the folder cannot be used. What a paused process holds is no hindrance.
        """
        with self._lock:
            return self._target.acquire(view, partition)

    def mark_filled(self, view: str, partition: int) -> None:
        """Note that every row of an acquired partition has been written; the next `acquire` says false."""
        with self._lock:
            self._target.mark_filled(view, partition)

    def release(self, view: str, partition: int) -> None:
        """Give a partition up. Nothing happens when it is not held."""
        with self._lock:
            self._target.release(view, partition)

    def write(self, batch: RowBatch, partition: int | None = None) -> int:
        """Write rows; returns how many the online store took (a stored row may be newer). History keeps all.

        `partition`: the partition of all rows, if the caller knows it; otherwise the join keys are hashed. Raises
        SchemaMismatchError for wrong columns, StateError for a partition that another process owns or took over.
        """
        with self._lock:
            batch.check(self._columns[batch.view])
            if not batch:
                return 0
            now_ms = self._clock.now_ms()
            num_written = self._target.write(batch, now_ms, partition)
            self._history[batch.view].add(batch, now_ms)
            return num_written

    def publish_due_history(self) -> None:
        """Make Parquet parts of rows that have waited for `history_interval_s`. Call it now and then when idle."""
        with self._lock:
            for history in self._history.values():
                history.publish_due(self._clock.now_ms())

    def publish_history(self) -> None:
        """Make Parquet parts of all rows so far, and wait for them."""
        with self._lock:
            for history in self._history.values():
                history.publish()

    def delete(self, view: str, entity_ids: Sequence[str]) -> int:
        """Remove entities from the online store; returns how many had a row. Their bytes leave the disk too."""
        with self._lock:
            return self._target.delete(view, entity_ids)

    def erase_history(self, view: str, up_to_ms: Mapping[str, int]) -> bool:
        """Remove entities, up to an event time each, from the Parquet parts; reads two columns of every part.

        False when another process still holds rows of theirs that are no part yet: repeat it later.
        """
        with self._lock:
            publishing = self._history[view].begin_publish()
        publishing.result()
        return self._history[view].erase(up_to_ms).is_whole

    def close(self) -> None:
        """Publish the history and give everything up."""
        with self._lock:
            for history in self._history.values():
                history.close()
            self._target.close()


def _resolve(store: FeatureStore, view: str, columns: Sequence[Column]) -> FeatureView:
    table = store.get_feature_view(view)
    found, needed = [feature.name for feature in table.features], [column.name for column in columns]
    if found != needed:
        odd = sorted(set(found) ^ set(needed))
        raise SchemaMismatchError(
            f"feature view {view} in {store.repo_path} differs from the declared catalogue fields in {odd or 'order'}; "
            "repo and worker must agree; start with the settings the repo was made with, or apply it again"
        )
    return table


def _target(
    store: FeatureStore, views: dict[str, FeatureView], columns: dict[str, tuple[Column, ...]], num_partitions: int
) -> RowTarget:
    online: OnlineStore = store._get_provider().online_store  # noqa: SLF001  # Feast offers no other way
    if isinstance(online, RocksDictOnlineStore):
        return RocksDictRows(store.config, online, views, columns)
    if type(online).__name__ == "RedisOnlineStore":
        from streams.features.feast_redis import RedisRows  # noqa: PLC0415  # needs redis-py

        return RedisRows(store.config, online, views, columns, num_partitions)
    raise SettingsError(
        f"the feature repo names the online store {type(online).__name__}; needed RocksDictOnlineStore or "
        "RedisOnlineStore; set FRESHRANK_FEAST__ONLINE_STORE to rocksdict or redis"
    )
