"""The writer, on our own store and on Redis: what it writes is what the plain SDK reads."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feast import FeatureStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from streams.clock import ManualClock
from streams.errors import SchemaMismatchError, StateError
from streams.features.feast_repo import prepare_repo
from streams.features.feast_writer import FeatureRowWriter
from streams.features.rows import VIEWS, RowBatch, view_columns
from streams.kafka.partitioner import partition_for
from streams.settings import CatalogueFields, Settings
from tests.features.conftest import NUM_PARTITIONS
from tests.features.sample_rows import AFFINITY, START_MS, item_rows, user_rows

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["rocksdict", "redis"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Settings]:
    """A prepared feature repo and its settings, for each online store."""
    if request.param == "redis":
        settings = request.getfixturevalue("redis_settings")
        return prepare_repo(settings, tmp_path / "run"), settings
    return request.getfixturevalue("repo"), request.getfixturevalue("feast_settings")


@pytest.fixture
def writer(run: tuple[Path, Settings], clock: ManualClock) -> Iterator[FeatureRowWriter]:
    writer = FeatureRowWriter(*run, clock)
    yield writer
    writer.close()


def sdk(run: tuple[Path, Settings]) -> FeatureStore:
    store = FeatureStore(repo_path=str(run[0]))
    if run[1].feast.online_store == "rocksdict":
        store.config.online_store.lag_ms = 0  # read what was just written; other tests wait for it
    return store


def clicks_of(run: tuple[Path, Settings], *user_ids: str) -> list[Any]:
    asked = sdk(run).get_online_features(["user_counters:clicks_total"], {"user_id": list(user_ids)})
    return asked.to_dict()["clicks_total"]  # type: ignore[no-any-return]


def acquire_all(writer: FeatureRowWriter) -> list[bool]:
    return [writer.acquire(view, partition) for view in VIEWS for partition in range(NUM_PARTITIONS)]


@pytest.mark.parametrize("view", VIEWS)
def test_every_column_reads_back_through_the_sdk_as_it_was_written(
    run: tuple[Path, Settings], writer: FeatureRowWriter, view: str
) -> None:
    ids = [f"e{n}" for n in range(30)]
    batch = (user_rows if view == "user_counters" else item_rows)(ids, list(range(30)))
    assert writer.write(batch) == 30
    names = [column.name for column in view_columns(view, AFFINITY)]
    join_key = "user_id" if view == "user_counters" else "item_id"
    read = sdk(run).get_online_features([f"{view}:{name}" for name in names], {join_key: ids}).to_dict()
    for name in names:
        written = batch.columns[name]
        assert read[name] == (written.tolist() if isinstance(written, np.ndarray) else written), name


def test_ids_of_any_text_and_length_are_found_again(run: tuple[Path, Settings], writer: FeatureRowWriter) -> None:
    ids = ["ü-日本-🛒", "x" * 256, "with space", "a/b|c", "0"]
    writer.write(user_rows(ids, [1, 2, 3, 4, 5]))
    assert clicks_of(run, *ids) == [1, 2, 3, 4, 5]


def test_rows_carry_the_time_of_their_last_event(run: tuple[Path, Settings], writer: FeatureRowWriter) -> None:
    writer.write(user_rows(["a"], [1], START_MS + 123))
    store = sdk(run)
    asked = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val="a")])
    ((event_at, _),) = store._get_provider().online_read(store.config, store.get_feature_view("user_counters"), [asked])
    assert event_at == EPOCH + timedelta(milliseconds=START_MS + 123)


def test_older_rows_are_left_out_and_counted_out(run: tuple[Path, Settings], writer: FeatureRowWriter) -> None:
    writer.write(user_rows(["a", "b"], [5, 5], START_MS))
    assert writer.write(user_rows(["a", "b"], [4, 6], [START_MS - 1, START_MS + 1])) == 1
    assert clicks_of(run, "a", "b") == [5, 6]


def test_a_late_event_corrects_a_row_whose_time_it_does_not_move(
    run: tuple[Path, Settings], writer: FeatureRowWriter
) -> None:
    writer.write(user_rows(["a"], [5], START_MS))
    assert writer.write(user_rows(["a"], [6], START_MS)) == 1
    assert clicks_of(run, "a") == [6]


def test_of_rows_of_one_entity_in_one_batch_the_last_of_the_newest_counts(
    run: tuple[Path, Settings], writer: FeatureRowWriter
) -> None:
    batch = user_rows(["a", "a", "a", "b"], [1, 2, 3, 4], [START_MS, START_MS + 1, START_MS + 1, START_MS])
    assert writer.write(batch) == 2
    assert clicks_of(run, "a", "b") == [3, 4]


def test_a_given_partition_holds_the_rows_that_hashing_would_put_there(
    run: tuple[Path, Settings], writer: FeatureRowWriter
) -> None:
    users = [user for user in (f"u{n}" for n in range(100)) if partition_for(user, NUM_PARTITIONS) == 2]
    writer.write(user_rows(users, list(range(len(users)))), partition=2)
    assert clicks_of(run, *users) == list(range(len(users)))


def test_partitions_are_fresh_until_all_rows_were_written_and_stay_filled(
    run: tuple[Path, Settings], clock: ManualClock
) -> None:
    first = FeatureRowWriter(*run, clock)
    assert acquire_all(first) == [True] * 2 * NUM_PARTITIONS
    first.mark_filled("user_counters", 1)
    first.close()
    second = FeatureRowWriter(*run, clock)
    assert acquire_all(second) == [place != 1 for place in range(2 * NUM_PARTITIONS)]
    second.close()


def test_removed_entities_are_gone_and_others_stay(run: tuple[Path, Settings], writer: FeatureRowWriter) -> None:
    acquire_all(writer)
    writer.write(user_rows(["a", "b", "c"], [1, 2, 3]))
    assert writer.delete("user_counters", ["a", "c", "never-seen"]) == 2
    assert clicks_of(run, "a", "b", "c") == [None, 2, None]
    writer.write(user_rows(["a"], [1], START_MS - 5))
    assert clicks_of(run, "a") == [1]


def test_a_removed_user_leaves_item_rows_of_the_same_id_alone(
    run: tuple[Path, Settings], writer: FeatureRowWriter
) -> None:
    writer.write(user_rows(["same"], [1]))
    writer.write(item_rows(["same"], [2]))
    writer.delete("user_counters", ["same"])
    read = sdk(run).get_online_features(["item_counters:clicks_total"], {"item_id": ["same"]})
    assert read.to_dict()["clicks_total"] == [2]


def test_an_empty_batch_writes_nothing(writer: FeatureRowWriter) -> None:
    assert writer.write(user_rows([], [])) == 0


def test_a_batch_with_wrong_columns_is_refused(writer: FeatureRowWriter) -> None:
    batch = user_rows(["a"], [1])
    fewer = {name: column for name, column in batch.columns.items() if name != "clicks_total"}
    with pytest.raises(SchemaMismatchError, match=r"lacks \['clicks_total'\]"):
        writer.write(RowBatch(batch.view, batch.entity_ids, batch.event_at_ms, fewer))


def test_a_repo_applied_for_other_declared_fields_is_refused(repo: Path, feast_settings: Settings) -> None:
    declared = feast_settings.model_copy(update={"catalogue": CatalogueFields(affinity=("colour",))})
    with pytest.raises(SchemaMismatchError, match="affinity_colour_values"):
        FeatureRowWriter(repo, declared)


def test_two_writers_share_a_repo_by_partition_and_never_a_partition(
    repo: Path, feast_settings: Settings, clock: ManualClock
) -> None:
    first, second = FeatureRowWriter(repo, feast_settings, clock), FeatureRowWriter(repo, feast_settings, clock)
    users = {partition_for(f"u{n}", NUM_PARTITIONS): f"u{n}" for n in range(50)}
    first.acquire("user_counters", 0)
    second.acquire("user_counters", 1)
    assert first.write(user_rows([users[0]], [7])) == 1
    assert second.write(user_rows([users[1]], [8])) == 1
    with pytest.raises(StateError, match="held for writing by process"):
        second.write(user_rows([users[0]], [9]))
    first.release("user_counters", 0)
    second.acquire("user_counters", 0)
    assert second.write(user_rows([users[0]], [9])) == 1
    assert clicks_of((repo, feast_settings), users[0], users[1]) == [9, 8]
    first.close()
    second.close()
