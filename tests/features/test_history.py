import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from feast import FeatureStore

from streams.features.history import History, history_folder, num_rows_of
from streams.features.history_spool import Spool
from streams.features.rows import RowBatch, view_columns
from tests.features.sample_rows import AFFINITY, START_MS, user_rows

COLUMNS = view_columns("user_counters", AFFINITY)
HOUR_MS = 3_600_000


@pytest.fixture
def history(repo: Path) -> Iterator[History]:
    history = History(repo, "user_counters", COLUMNS, max_rows=100, interval_s=60.0)
    yield history
    history.close()


def parts(repo: Path) -> list[Path]:
    """Parts with rows; the empty one that makes the folder readable aside."""
    found = sorted((repo / history_folder("user_counters", COLUMNS)).iterdir())
    return [path for path in found if pq.read_metadata(path).num_rows]


def rows(repo: Path) -> list[tuple[str, int]]:
    tables = [pq.read_table(path, columns=["user_id", "clicks_total"]).to_pylist() for path in parts(repo)]
    return sorted((row["user_id"], row["clicks_total"]) for table in tables for row in table)


def as_of(repo: Path, *asked: tuple[str, int]) -> dict[tuple[str, int], Any]:
    """`clicks_total` of (user, time) pairs through Feast; a pair without a row at that time has no value."""
    import pandas as pd

    entities = pd.DataFrame(
        {
            "user_id": [user for user, _ in asked],
            "event_timestamp": pd.to_datetime([at_ms for _, at_ms in asked], unit="ms", utc=True),
            "asked_at": [at_ms for _, at_ms in asked],
        }
    )
    features = ["user_counters:clicks_total", "user_counters:recent_items", "user_counters:affinity_brand_weights"]
    frame = FeatureStore(repo_path=str(repo)).get_historical_features(entities, features).to_df()
    return {(row.user_id, row.asked_at): row for row in frame.itertuples()}


def test_values_are_those_known_at_the_asked_time_and_never_later_ones(repo: Path, history: History) -> None:
    for hour in range(5):
        history.add(user_rows(["a", "b"], [hour, 10 * hour], START_MS + hour * HOUR_MS), START_MS + hour * HOUR_MS)
        history.publish()
    asked = [("a", START_MS + 2 * HOUR_MS), ("a", START_MS + 3 * HOUR_MS - 1), ("b", START_MS + 99 * HOUR_MS)]
    found = as_of(repo, *asked)
    assert [found[pair].clicks_total for pair in asked] == [2, 2, 40]
    assert list(found[asked[0]].recent_items) == ["item-2-0", "item-2-1"]
    assert list(found[asked[0]].affinity_brand_weights) == [0.5, 1.5]


def test_users_without_rows_may_be_asked_about_beside_others(repo: Path, history: History) -> None:
    """Feast's own file store fails here once there are several parts."""
    for hour in range(3):
        history.add(user_rows(["a"], [hour], START_MS + hour * HOUR_MS), START_MS + hour * HOUR_MS)
        history.publish()
    strangers = [(f"nobody-{n}", START_MS + 9 * HOUR_MS) for n in range(5)]
    found = as_of(repo, ("a", START_MS + 9 * HOUR_MS), *strangers)
    assert found["a", START_MS + 9 * HOUR_MS].clicks_total == 2
    assert all(math.isnan(found[stranger].clicks_total) for stranger in strangers)


def test_a_time_before_the_first_row_gets_no_value_from_the_future(repo: Path, history: History) -> None:
    """Feast leaves such a pair out of its answer altogether."""
    history.add(user_rows(["a"], [1], START_MS), START_MS)
    history.publish()
    assert as_of(repo, ("a", START_MS - 1)) == {}


def test_of_rows_with_one_event_time_the_last_written_counts(repo: Path, history: History) -> None:
    history.add(user_rows(["a"], [1], START_MS), START_MS + 10)
    history.publish()
    history.add(user_rows(["a"], [2], START_MS), START_MS + 20)
    history.publish()
    assert as_of(repo, ("a", START_MS + HOUR_MS))["a", START_MS + HOUR_MS].clicks_total == 2


def test_a_history_without_rows_can_be_asked(repo: Path) -> None:
    assert math.isnan(as_of(repo, ("a", START_MS))["a", START_MS].clicks_total)


def test_a_part_is_made_when_there_are_enough_rows(repo: Path, history: History) -> None:
    history.add(user_rows([f"u{n}" for n in range(99)], [1] * 99), START_MS)
    assert parts(repo) == []
    history.add(user_rows(["last"], [1]), START_MS)
    history.publish()  # waits for the part being made
    assert len(parts(repo)) == 1
    assert len(rows(repo)) == 100


def test_a_part_is_made_when_the_first_row_is_old(repo: Path, history: History) -> None:
    history.add(user_rows(["a"], [1]), START_MS)
    history.publish_due(START_MS + 59_999)
    assert parts(repo) == []
    history.publish_due(START_MS + 60_000)
    history.close()
    assert rows(repo) == [("a", 1)]


def test_rows_of_a_killed_process_are_in_the_next_one_s_parts(repo: Path, history: History) -> None:
    """The spool is put back as a kill leaves it: without a lock, the last batch cut short."""
    dead = History(repo, "user_counters", COLUMNS, max_rows=100, interval_s=60.0)
    dead.add(user_rows(["a"], [1]), START_MS)
    dead.add(user_rows(["b"], [2]), START_MS)
    (spool,) = (repo / "spool" / history_folder("user_counters", COLUMNS).name).glob("*.arrows")
    torn = spool.read_bytes()[:-40]
    dead.publish()
    for part in parts(repo):
        part.unlink()
    spool.write_bytes(torn)
    History(repo, "user_counters", COLUMNS, max_rows=100, interval_s=60.0).close()
    assert rows(repo) == [("a", 1)]
    assert not spool.exists()


def test_a_process_killed_before_its_first_row_leaves_nothing_behind(repo: Path, history: History) -> None:
    spool = repo / "spool" / history_folder("user_counters", COLUMNS).name / "left.arrows"
    spool.touch()
    History(repo, "user_counters", COLUMNS, max_rows=100, interval_s=60.0).close()
    assert rows(repo) == []
    assert not spool.exists()


def test_the_spool_of_a_living_process_is_left_alone(repo: Path, history: History) -> None:
    history.add(user_rows(["a"], [1]), START_MS)
    History(repo, "user_counters", COLUMNS, max_rows=100, interval_s=60.0).close()
    assert rows(repo) == []
    history.publish()
    assert rows(repo) == [("a", 1)]


def test_a_part_made_twice_from_one_spool_is_one_part(repo: Path, history: History) -> None:
    """Killed after the part was made and before the spool was removed."""
    history.add(user_rows(["a"], [1]), START_MS)
    (spool,) = (repo / "spool" / history_folder("user_counters", COLUMNS).name).glob("*.arrows")
    kept = spool.read_bytes()
    history.publish()
    spool.write_bytes(kept)
    History(repo, "user_counters", COLUMNS, max_rows=100, interval_s=60.0).close()
    assert rows(repo) == [("a", 1)]


def test_erased_users_leave_the_parts_and_the_rest_stays(repo: Path, history: History) -> None:
    history.add(user_rows(["a", "b"], [1, 2]), START_MS)
    history.publish()
    history.add(user_rows(["b", "c"], [3, 4]), START_MS)
    history.publish()
    assert history.erase({"b": START_MS, "never-seen": START_MS}) == (2, True)
    assert rows(repo) == [("a", 1), ("c", 4)]
    assert b"item-2-0" not in b"".join(path.read_bytes() for path in repo.rglob("*") if path.is_file())


def test_rows_of_a_user_who_came_back_stay(repo: Path, history: History) -> None:
    history.add(user_rows(["b"], [1], START_MS), START_MS)
    history.add(user_rows(["b"], [2], START_MS + 1), START_MS)
    history.publish()
    assert history.erase({"b": START_MS}) == (1, True)
    assert rows(repo) == [("b", 2)]


def test_rows_of_columns_that_the_view_had_before_are_erased_too(repo: Path, history: History) -> None:
    """Also those in a spool that nobody made a part of before the columns changed."""
    before = view_columns("user_counters", (*AFFINITY, "colour"))
    older = History(repo, "user_counters", before, max_rows=1, interval_s=60.0)
    row = user_rows(["b"], [1])
    colours = {"affinity_colour_values": [["red"]], "affinity_colour_weights": [[1.0]]}
    older.add(RowBatch(row.view, row.entity_ids, row.event_at_ms, {**row.columns, **colours}), START_MS)
    older.close()
    made = (repo / history_folder("user_counters", before)).iterdir()
    (part,) = [path for path in made if pq.read_metadata(path).num_rows]
    table = pq.read_table(part)
    spool = Spool(repo / "spool" / history_folder("user_counters", before).name, table.schema)
    spool.write(table.to_batches()[0])
    spool.close()
    history.publish()
    assert num_rows_of(repo, "user_counters", "b") == 2
    assert history.erase({"b": START_MS}) == (2, True)
    assert num_rows_of(repo, "user_counters", "b") == 0


def test_erasing_is_not_done_while_another_process_holds_rows_in_its_spool(repo: Path, history: History) -> None:
    other = History(repo, "user_counters", COLUMNS, max_rows=100, interval_s=60.0)
    other.add(user_rows(["a", "b"], [1, 2]), START_MS)
    assert history.erase({"b": START_MS}) == (0, False)
    assert history.erase({"c": START_MS}) == (0, True)
    other.close()
    assert history.erase({"b": START_MS}) == (1, True)
    assert rows(repo) == [("a", 1)]


def test_other_columns_have_a_history_of_their_own(repo: Path) -> None:
    other = view_columns("user_counters", ("colour",))
    assert history_folder("user_counters", other) != history_folder("user_counters", COLUMNS)
