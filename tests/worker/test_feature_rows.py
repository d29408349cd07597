"""Feature rows hold what the scorer reads."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.feature_schema import EVENT_KINDS, HORIZONS
from streams.features.capture import Request, capture
from streams.features.count_record import TOTALS
from streams.features.items import ItemTable
from streams.features.rows import ITEM_COUNTERS, USER_COUNTERS, RowBatch
from streams.features.state_store import StateStore
from streams.features.user_state import UserState
from streams.settings import CatalogueFields
from streams.worker.feature_rows import item_rows, user_rows
from streams.worker.partition import Partition
from tests.features.sample_shop import CLICK, NOW_MS, VIEW, WEEK_MS, shop
from tests.worker.event_log import records, shop_log

LATER_MS = 3_600_000


def totals(rows: RowBatch, row: int) -> list[int]:
    """The totals of a row, in order."""
    return [int(rows.columns[f"{name}_total"][row]) for name in TOTALS]


def decayed(rows: RowBatch, row: int) -> list[float]:
    """The decayed counters of a row, in order."""
    return [float(rows.columns[f"{kind}s_{horizon}"][row]) for horizon in HORIZONS for kind in EVENT_KINDS]


def test_a_flush_in_which_no_user_changed_gives_rows_of_no_user() -> None:
    """Windows that close on their own, and rejected records, change no user."""
    rows = user_rows([], ItemTable(CatalogueFields(), num_sources=1))
    assert rows.entity_ids == []
    assert all(len(column) == 0 for column in rows.columns.values())


def test_user_and_item_rows_hold_the_state_that_the_scorer_reads(
    open_engine: Callable[[Path], tuple[Partition, StateStore]], tmp_path: Path
) -> None:
    """Users and items made from their rows alone give the features of the live state, bit by bit."""
    engine, store = open_engine(tmp_path / "state")
    engine.process(records(shop_log(num_slates=60)))
    items, drained = engine.state.items, engine.state.drain()
    slots = np.arange(1, items.n, dtype=np.int32)
    of_users, of_items = user_rows(drained.users, items), item_rows(slots, items)
    store.close()

    rebuilt = ItemTable(items.fields, 1)
    for name in ("item_ids", "_slot_of", "value_ids", "field_of", "values", "texts", "number", "kind", "price"):
        setattr(rebuilt, name, getattr(items, name))
    rebuilt.totals, rebuilt.decayed = np.zeros_like(items.totals), np.zeros_like(items.decayed)
    rebuilt.at_ms = np.zeros_like(items.at_ms)
    for row, slot in enumerate(slots.tolist()):
        assert of_items.entity_ids[row] == items.item_ids[slot]
        rebuilt.totals[slot] = totals(of_items, row)
        rebuilt.decayed[slot] = np.reshape(decayed(of_items, row), rebuilt.decayed.shape[1:])
        rebuilt.at_ms[slot] = of_items.columns["decayed_at_ms"][row]
        found = of_items.columns["neighbours"][row], of_items.columns["neighbour_weights"][row]
        neighbours = rebuilt.slots(found[0]), np.array(found[1], np.float32)
        rebuilt._neighbours[slot] = neighbours
    rebuilt._num_impressions, rebuilt._num_clicks = rebuilt.totals[:, 0].sum(), rebuilt.totals[:, 2].sum()

    assert len(drained.users) == 12
    for row, user in enumerate(drained.users):
        assert of_users.entity_ids[row] == user.user_id
        now_ms = user.last_event_ms + LATER_MS
        same = UserState(**{name: getattr(user, name) for name in user.__struct_fields__})
        same.totals, same.decayed = totals(of_users, row), decayed(of_users, row)
        same.decayed_base_ms = same.decayed_at_ms = int(of_users.columns["decayed_at_ms"][row])
        live, stored = (capture(u, i, slots, now_ms, Request()) for u, i in ((user, items), (same, rebuilt)))
        assert (live.user_U.tobytes(), live.item_NI.tobytes(), live.cross_NX.tobytes()) == (
            stored.user_U.tobytes(), stored.item_NI.tobytes(), stored.cross_NX.tobytes(),
        )  # fmt: skip


def test_a_user_row_lists_leanings_strongest_first_at_its_time_and_items_newest_first() -> None:
    items, user = shop(), UserState("u")
    user.lean(items, 1, 4.0, NOW_MS)
    user.lean(items, 3, -1.0, NOW_MS)
    for slot, kind in ((1, CLICK), (3, VIEW), (1, VIEW)):
        user.add_action(slot, kind, NOW_MS)
    user.count(VIEW, NOW_MS + WEEK_MS)
    user.touch(NOW_MS + WEEK_MS + 5, None)
    rows = user_rows([user, UserState("new")], items)

    assert (rows.view, rows.entity_ids) == (USER_COUNTERS, ["u", "new"])
    assert rows.event_at_ms.tolist() == [NOW_MS + WEEK_MS + 5, 0]
    assert rows.columns["recent_items"] == [["tea", "cup", "tea"], []]
    assert rows.columns["affinity_category_values"] == [["drinks", "ware"], []]
    assert rows.columns["affinity_category_weights"] == [[2.0, -0.5], []]
    assert rows.columns["affinity_tags_values"] == [["leaf", "hot"], []]
    assert rows.columns["affinity_tags_weights"] == [[2.0, 1.5], []]


@pytest.mark.parametrize("num_sources", [1, 3])
def test_an_item_row_is_the_sum_over_all_partitions(num_sources: int) -> None:
    items = shop(num_sources=num_sources)
    for source in range(num_sources):
        items.count_one(source, 1, CLICK, NOW_MS + source)
        items.add_co_click(source, 1, [2], NOW_MS + source)
    rows = item_rows(np.array([2, 1], np.int32), items)

    assert (rows.view, rows.entity_ids) == (ITEM_COUNTERS, ["ale", "tea"])
    assert [totals(rows, row)[2] for row in (0, 1)] == [0, num_sources]
    assert rows.columns["neighbours"] == [["tea"], ["ale"]]
    assert rows.columns["neighbour_weights"] == [[float(num_sources)], [float(num_sources)]]
    assert rows.event_at_ms.tolist() == [0, NOW_MS + num_sources - 1]
