import numpy as np
import pytest

from streams.errors import SchemaMismatchError
from streams.features.rows import RowBatch, view_columns
from tests.features.sample_rows import AFFINITY, START_MS, item_rows, user_rows

TOTALS = ["impressions_total", "views_total", "clicks_total", "carts_total", "orders_total", "dwell_ms_total"]


def test_columns_of_a_user_are_totals_decayed_counters_and_lists_for_each_declared_field() -> None:
    names = [column.name for column in view_columns("user_counters", ("colour",))]
    assert names[:6] == TOTALS
    assert names[6:12] == ["impressions_30m", "views_30m", "clicks_30m", "carts_30m", "orders_30m", "dislikes_30m"]
    assert names[24:] == ["decayed_at_ms", "recent_items", "affinity_colour_values", "affinity_colour_weights"]


def test_columns_of_an_item_do_not_depend_on_declared_fields() -> None:
    names = [column.name for column in view_columns("item_counters", ("colour",))]
    assert names == [column.name for column in view_columns("item_counters", ())]
    assert names[:6] == TOTALS
    assert names[25:] == ["neighbours", "neighbour_weights"]


def test_numbers_come_before_lists_in_every_view() -> None:
    """The stored form relies on it."""
    for view in ("user_counters", "item_counters"):
        is_list = [column.kind.endswith("_list") for column in view_columns(view, AFFINITY)]
        assert is_list == sorted(is_list)


def test_an_unknown_view_is_refused_by_name() -> None:
    with pytest.raises(SchemaMismatchError, match="'sessions' is not one of user_counters, item_counters"):
        view_columns("sessions", ())


def test_a_batch_with_the_right_columns_passes_its_check() -> None:
    user_rows(["a", "b"], [1, 2]).check(view_columns("user_counters", AFFINITY))
    item_rows(["i"], [1]).check(view_columns("item_counters", AFFINITY))


def test_a_batch_built_for_other_declared_fields_is_refused() -> None:
    with pytest.raises(SchemaMismatchError, match=r"lacks .*affinity_colour_values.* in excess"):
        user_rows(["a"], [1]).check(view_columns("user_counters", ("colour",)))


def test_a_column_that_is_too_short_is_refused() -> None:
    good = user_rows(["a", "b"], [1, 2])
    short = RowBatch(good.view, good.entity_ids, good.event_at_ms, {**good.columns, "clicks_total": np.array([1])})
    with pytest.raises(SchemaMismatchError, match=r"has 2 rows, but other lengths in {'clicks_total': 1}"):
        short.check(view_columns("user_counters", AFFINITY))


def test_selected_rows_keep_their_values_in_the_order_asked_for() -> None:
    picked = user_rows(["a", "b", "c"], [1, 2, 3], [START_MS, START_MS + 1, START_MS + 2]).select([2, 0])
    assert picked.entity_ids == ["c", "a"]
    assert picked.event_at_ms.tolist() == [START_MS + 2, START_MS]
    assert picked.columns["clicks_total"].tolist() == [3, 1]
    assert picked.columns["recent_items"] == [["item-3-0", "item-3-1"], ["item-1-0", "item-1-1"]]


def test_joined_batches_hold_the_rows_of_all_in_order() -> None:
    both = user_rows(["a", "b", "c"], [1, 2, 3], START_MS)
    joined = RowBatch.joined([both.select([0]), both.select([1, 2])])
    assert (joined.view, joined.entity_ids) == (both.view, both.entity_ids)
    assert joined.event_at_ms.tolist() == both.event_at_ms.tolist()
    assert {name: list(values) for name, values in joined.columns.items()} == {
        name: list(values) for name, values in both.columns.items()
    }
