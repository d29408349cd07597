"""One contract for online stores, run on ours and on Feast's own Redis store against a real Redis."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import FloatList, StringList, Value
from feast.types import Array, Float32, Int64, String

from streams.errors import StateError
from streams.features.feast_store import RocksDictOnlineStore, partition_folder

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
STORES = ("rocksdict", "redis")

USER = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
SHOP = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.INT64)


def view(name: str, entities: list[Entity]) -> FeatureView:
    return FeatureView(
        name=name,
        entities=entities,
        schema=[
            Field(name="count", dtype=Int64),
            Field(name="names", dtype=Array(String)),
            Field(name="weights", dtype=Array(Float32)),
        ],
        source=PushSource(name=f"{name}_push", batch_source=FileSource(path=f"{name}.parquet", timestamp_field="at")),
    )


def open_store(online_store: dict[str, Any], folder: Path) -> FeatureStore:
    config = RepoConfig(
        project="contract",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store=online_store,
        offline_store={"type": "dask"},
        entity_key_serialization_version=3,
    )
    config.repo_path = folder
    return FeatureStore(config=config)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FeatureStore]:
    ours = {"type": "streams.features.feast_store.RocksDictOnlineStore", "num_partitions": 3, "lag_ms": 0}
    is_redis = request.param == "redis"
    online = {"type": "redis", "connection_string": request.getfixturevalue("redis")} if is_redis else ours
    store = open_store(online, tmp_path)
    store.apply([USER, SHOP, view("by_user", [USER]), view("by_shop", [SHOP]), view("by_both", [USER, SHOP])])
    yield store
    store.teardown()


def key(**join_keys: str | int) -> EntityKey:
    values = [Value(string_val=v) if isinstance(v, str) else Value(int64_val=v) for v in join_keys.values()]
    return EntityKey(join_keys=list(join_keys), entity_values=values)


def features(count: int) -> dict[str, Value]:
    return {
        "count": Value(int64_val=count),
        "names": Value(string_list_val=StringList(val=[f"n{count}", ""])),
        "weights": Value(float_list_val=FloatList(val=[count + 0.5])),
    }


def write(store: FeatureStore, name: str, *rows: tuple[EntityKey, dict[str, Value], datetime]) -> None:
    data = [(entity_key, values, at, None) for entity_key, values, at in rows]
    store._get_provider().online_write_batch(store.config, store.get_feature_view(name), data, None)


def read(store: FeatureStore, name: str, *keys: EntityKey, only: list[str] | None = None) -> list[Any]:
    return list(store._get_provider().online_read(store.config, store.get_feature_view(name), list(keys), only))


def counts(store: FeatureStore, name: str, **entities: list[Any]) -> list[Any]:
    return store.get_online_features([f"{name}:count"], entities).to_dict()["count"]  # type: ignore[no-any-return]


def test_a_row_is_read_back_with_its_event_time_and_every_type(store: FeatureStore) -> None:
    write(store, "by_user", (key(user_id="a"), features(3), START))
    assert read(store, "by_user", key(user_id="a")) == [(START, features(3))]


def test_rows_of_many_entities_come_back_in_the_order_asked_for(store: FeatureStore) -> None:
    write(store, "by_user", *[(key(user_id=f"u{n}"), features(n), START) for n in range(50)])
    asked = ["u49", "nobody", *[f"u{n}" for n in range(49)]]
    assert counts(store, "by_user", user_id=asked) == [49, None, *range(49)]


def test_an_older_row_never_replaces_a_newer_one(store: FeatureStore) -> None:
    write(store, "by_user", (key(user_id="a"), features(2), START + SECOND))
    write(store, "by_user", (key(user_id="a"), features(1), START))
    assert read(store, "by_user", key(user_id="a")) == [(START + SECOND, features(2))]


def test_an_older_row_of_the_same_batch_does_not_win_by_coming_last(store: FeatureStore) -> None:
    newer, older = (key(user_id="a"), features(2), START + SECOND), (key(user_id="a"), features(1), START)
    write(store, "by_user", newer, older)
    assert read(store, "by_user", key(user_id="a")) == [(START + SECOND, features(2))]


def test_a_newer_row_replaces_an_older_one(store: FeatureStore) -> None:
    for n in range(3):
        write(store, "by_user", (key(user_id="a"), features(n), START + n * timedelta(milliseconds=1)))
    assert counts(store, "by_user", user_id=["a"]) == [2]


def test_only_requested_features_are_read(store: FeatureStore) -> None:
    write(store, "by_user", (key(user_id="a"), features(3), START))
    assert read(store, "by_user", key(user_id="a"), only=["names"]) == [(START, {"names": features(3)["names"]})]


def test_an_unknown_entity_has_no_values(store: FeatureStore) -> None:
    write(store, "by_user", (key(user_id="a"), features(3), START))
    assert counts(store, "by_user", user_id=["b", "a"]) == [None, 3]


def test_entities_may_be_integers_or_several(store: FeatureStore) -> None:
    write(store, "by_shop", (key(shop_id=7), features(1), START), (key(shop_id=-7), features(2), START))
    write(store, "by_both", (key(user_id="a", shop_id=7), features(3), START))
    assert counts(store, "by_shop", shop_id=[7, -7, 8]) == [1, 2, None]
    assert counts(store, "by_both", user_id=["a", "a"], shop_id=[7, 8]) == [3, None]


def test_views_of_one_entity_do_not_share_rows(store: FeatureStore) -> None:
    store.apply([view("also_by_user", [USER])])
    write(store, "by_user", (key(user_id="a"), features(1), START))
    write(store, "also_by_user", (key(user_id="a"), features(2), START))
    assert (counts(store, "by_user", user_id=["a"]), counts(store, "also_by_user", user_id=["a"])) == ([1], [2])


def test_features_that_a_row_leaves_out_keep_their_values(store: FeatureStore) -> None:
    write(store, "by_user", (key(user_id="a"), features(1), START))
    write(store, "by_user", (key(user_id="a"), {"count": Value(int64_val=2)}, START + SECOND))
    expected = {**features(1), "count": Value(int64_val=2)}
    assert read(store, "by_user", key(user_id="a")) == [(START + SECOND, expected)]


def test_a_time_without_a_zone_is_universal_time(store: FeatureStore) -> None:
    write(store, "by_user", (key(user_id="a"), features(1), START.replace(tzinfo=None)))
    assert read(store, "by_user", key(user_id="a")) == [(START, features(1))]


def test_progress_counts_every_row(store: FeatureStore) -> None:
    seen: list[int] = []
    data = [(key(user_id=f"u{n}"), features(n), START, None) for n in range(10)]
    store._get_provider().online_write_batch(store.config, store.get_feature_view("by_user"), data, seen.append)
    assert sum(seen) == 10


def test_a_push_through_the_plain_sdk_is_read_back(store: FeatureStore) -> None:
    import pandas as pd

    row = {"user_id": ["a"], "count": [5], "names": [["x"]], "weights": [[0.5]], "at": [START]}
    store.push("by_user_push", pd.DataFrame(row))
    assert counts(store, "by_user", user_id=["a"]) == [5]


def test_the_rows_of_a_removed_view_are_gone_when_it_comes_back(store: FeatureStore) -> None:
    write(store, "by_user", (key(user_id="a"), features(1), START))
    write(store, "by_shop", (key(shop_id=7), features(2), START))
    store.apply([], objects_to_delete=[store.get_feature_view("by_user")], partial=False)
    store.apply([view("by_user", [USER])])
    assert counts(store, "by_user", user_id=["a"]) == [None]
    assert counts(store, "by_shop", shop_id=[7]) == [2]


def test_nothing_is_left_after_teardown(store: FeatureStore) -> None:
    write(store, "by_user", (key(user_id="a"), features(1), START))
    store.teardown()
    store.apply([USER, SHOP, view("by_user", [USER])])
    assert counts(store, "by_user", user_id=["a"]) == [None]


def test_rows_of_another_number_of_partitions_are_not_mistaken_for_ours(tmp_path: Path) -> None:
    """A row would be looked for in the wrong partition, and found there or not by chance."""
    settings = {"type": "streams.features.feast_store.RocksDictOnlineStore", "lag_ms": 0}
    three = open_store({**settings, "num_partitions": 3}, tmp_path)
    three.apply([USER, view("by_user", [USER])])
    users = [f"u{n}" for n in range(20)]
    write(three, "by_user", *[(key(user_id=user), features(1), START) for user in users])
    five = open_store({**settings, "num_partitions": 5}, tmp_path)
    assert counts(five, "by_user", user_id=users) == [None] * 20


def test_at_equal_event_times_our_store_takes_the_newcomer(tmp_path: Path) -> None:
    """Feast's Redis store keeps the first; a row that a late event corrected could then never be written."""
    ours = open_store({"type": "streams.features.feast_store.RocksDictOnlineStore", "lag_ms": 0}, tmp_path)
    ours.apply([USER, view("by_user", [USER])])
    write(ours, "by_user", (key(user_id="a"), features(1), START))
    write(ours, "by_user", (key(user_id="a"), features(2), START))
    assert counts(ours, "by_user", user_id=["a"]) == [2]


def test_a_plain_write_to_rows_that_somebody_owns_is_refused_by_name(tmp_path: Path) -> None:
    config = {"type": "streams.features.feast_store.RocksDictOnlineStore", "num_partitions": 1, "lag_ms": 0}
    owner, other = open_store(config, tmp_path), open_store(config, tmp_path)
    owner.apply([USER, view("by_user", [USER])])
    table = owner.get_feature_view("by_user")
    online = owner._get_provider().online_store
    assert isinstance(online, RocksDictOnlineStore)
    folder = partition_folder(owner.config, table, 0)
    assert online.folders(owner.config).acquire(folder)
    with pytest.raises(StateError, match="held for writing by process"):
        write(other, "by_user", (key(user_id="a"), features(1), START))
    write(owner, "by_user", (key(user_id="a"), features(2), START))
    assert counts(other, "by_user", user_id=["a"]) == [2]
    online.folders(owner.config).release(folder)
    write(other, "by_user", (key(user_id="a"), features(3), START))
    assert counts(owner, "by_user", user_id=["a"]) == [3]
