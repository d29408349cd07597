"""What we rely on in Feast beyond its documents: bytes of keys and values, methods we override, names it keeps private.

Each failure says what to look at; `tests/features` as a whole then tells whether it still holds.
"""

import inspect
from datetime import UTC, datetime
from importlib.metadata import version

import pytest
from feast import FeatureStore, FileSource
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.offline_stores.dask import DaskOfflineStore
from feast.infra.online_stores import helpers
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import DoubleList, FloatList, RepeatedValue, StringList, Value
from feast.repo_config import RegistryConfig

from streams.features.feast_history import HistoryOfflineStore
from streams.features.feast_rocksdict import entity_key_prefix
from streams.features.feast_store import RocksDictOnlineStore

MMH3 = "9a38e8cd"
ROW_WIRE = "look at streams/features/row_wire.py, which writes these bytes itself"


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("feast") == "0.67.0", (
        "run tests/features and tests/integration, read what changed in feast/infra/online_stores, "
        "feast/infra/offline_stores/dask.py and feast/infra/key_encoding_utils.py, then pin the new version here"
    )


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (Value(int64_val=300), b"\x20\xac\x02"),
        (Value(double_val=1.5), b"\x29" + b"\x00" * 6 + b"\xf8\x3f"),
        (Value(string_list_val=StringList(val=["ab"])), b"\x62\x04\x0a\x02ab"),
        (Value(float_list_val=FloatList(val=[1.5])), b"\x82\x01\x06\x0a\x04\x00\x00\xc0\x3f"),
    ],
    ids=["int64", "double", "strings", "floats"],
)
def test_values_have_the_bytes_that_we_write(value: Value, raw: bytes) -> None:
    entry = b"\x0a" + bytes([len(raw)]) + raw

    assert value.SerializeToString() == raw, f"feast/types/Value.proto gives a kind another field or type: {ROW_WIRE}"
    assert RepeatedValue(val=[value]).SerializeToString() == entry, f"RepeatedValue.val has another field: {ROW_WIRE}"
    assert DoubleList.DESCRIPTOR.fields_by_name["val"].number == 1


def test_an_entity_key_has_the_bytes_that_we_write() -> None:
    key = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val="u1")])

    found = serialize_entity_key(key, 3)
    assert found == entity_key_prefix("user_id") + b"\x02\x00\x00\x00u1", (
        "serialize_entity_key (version 3) changed: look at `entity_key_prefix` of streams/features/feast_rocksdict.py; "
        "stored rows would not be found"
    )


@pytest.mark.parametrize("name", ["online_write_batch", "online_read", "update", "teardown"])
def test_our_online_store_overrides_what_feast_calls(name: str) -> None:
    theirs, ours = (
        list(inspect.signature(getattr(one, name)).parameters) for one in (OnlineStore, RocksDictOnlineStore)
    )

    assert ours == theirs, f"OnlineStore.{name} takes {theirs}: look at streams/features/feast_store.py"


def test_no_method_of_an_online_store_is_new_and_must_be_there() -> None:
    assert RocksDictOnlineStore.__abstractmethods__ == frozenset(), (
        "OnlineStore has new abstract methods: look at streams/features/feast_store.py"
    )


def test_our_offline_store_overrides_what_feast_calls() -> None:
    first = ["config", "feature_views", "feature_refs", "entity_df"]
    theirs = list(inspect.signature(DaskOfflineStore.get_historical_features).parameters)

    assert theirs[:4] == first == list(inspect.signature(HistoryOfflineStore.get_historical_features).parameters)[:4], (
        f"DaskOfflineStore.get_historical_features takes {theirs}: look at streams/features/feast_history.py"
    )
    assert isinstance(inspect.getattr_static(DaskOfflineStore, "get_historical_features"), staticmethod)
    assert list(inspect.signature(FileSource.get_uri_for_file_path).parameters) == ["repo_path", "uri"], (
        "FileSource.get_uri_for_file_path changed: look at `_gather` of streams/features/feast_history.py"
    )


def test_a_store_gives_its_provider_and_that_its_online_store() -> None:
    assert "_get_provider" in dir(FeatureStore), (
        "FeatureStore._get_provider is gone: look at `_target` of streams/features/feast_writer.py"
    )


def test_redis_rows_lie_where_we_remove_them() -> None:
    """`RedisRows.delete` and its marks go to Redis directly; writes go through Feast."""
    look = "look at streams/features/feast_redis.py"
    key = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val="u1")])

    assert helpers._redis_key("p", key, 3) == serialize_entity_key(key, 3) + b"p", (
        f"the key of a Redis row changed: {look}"
    )
    assert helpers._mmh3("user_counters:views_total").hex() == MMH3, f"the name of a feature in a row changed: {look}"
    assert list(inspect.signature(RedisOnlineStore._get_client).parameters) == ["self", "online_store_config"], look
    assert "skip_dedup" in RedisOnlineStoreConfig.model_fields, f"Feast compares times again when it writes: {look}"
    assert "_ts:" in inspect.getsource(RedisOnlineStore), f"the event time of a row has another name: {look}"


def test_names_of_views_are_versioned_only_when_asked() -> None:
    assert "enable_online_feature_view_versioning" in RegistryConfig.model_fields, (
        "the registry's setting is gone: look at `_view_folder` of streams/features/feast_store.py"
    )
    assert list(inspect.signature(helpers.compute_versioned_name).parameters) == ["table", "enable_versioning"]


def test_event_times_come_and_go_as_moments() -> None:
    hint = str(inspect.signature(OnlineStore.online_read).return_annotation)

    assert "datetime" in hint, f"online_read gives {hint}: look at streams/features/feast_store.py"
    assert datetime.fromtimestamp(0, UTC).tzinfo is UTC
