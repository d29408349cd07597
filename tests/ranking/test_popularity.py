import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.ranking.popularity import CategoryShelves, strongest, trend
from tests.ranking.sample_items import NOW_MS, click, item_table, numbered

MINUTE_MS = 60_000


def test_trend_decays_each_horizon_by_its_half_life() -> None:
    """One click: after 30 minutes half of the first horizon is left, and nearly all of the others."""
    items = item_table(numbered(1))
    click(items, "i0")
    expected = 0.5 + 2 ** -(0.5 / 24) + 2 ** -(0.5 / (7 * 24))
    assert trend(items, NOW_MS + 30 * MINUTE_MS)[items.slot("i0")] == pytest.approx(expected)


def test_trend_is_never_decayed_upward_for_an_older_time() -> None:
    items = item_table(numbered(1))
    click(items, "i0")
    assert trend(items, NOW_MS - 1000)[items.slot("i0")] == pytest.approx(3.0)


def test_a_recent_click_outweighs_an_old_one() -> None:
    items = item_table(numbered(2))
    click(items, "i0", at_ms=NOW_MS - 120 * MINUTE_MS)
    click(items, "i1")
    by_slot = trend(items, NOW_MS)
    assert by_slot[items.slot("i1")] > by_slot[items.slot("i0")]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, -np.inf, np.nan]), max_size=30), st.integers(1, 12))
def test_strongest_is_a_full_sort_with_ties_in_index_order(scores: list[float], count: int) -> None:
    eligible = [i for i, score in enumerate(scores) if score > -np.inf]
    expected = sorted(eligible, key=lambda i: (-scores[i], i))[:count]
    assert strongest(np.array(scores, np.float64), count).tolist() == expected


def shelves_of(categories: list[int], scores: list[float]) -> CategoryShelves:
    shelves = CategoryShelves(shelf_size=2)
    shelves.refresh(np.array(categories, np.int32), np.array(scores))
    return shelves


def test_a_shelf_has_the_strongest_of_its_category_best_first() -> None:
    shelves = shelves_of([0, 1, 0, -1, 0], [1.0, 5.0, 3.0, 9.0, 2.0])
    assert [shelves.shelf(category).tolist() for category in (0, 1, 2, -1)] == [[2, 4], [1], [], []]


def test_a_refresh_takes_new_scores_and_new_categories() -> None:
    shelves = shelves_of([0, 1, 0], [1.0, 5.0, 3.0])
    assert shelves.shelf(0).tolist() == [2, 0]
    shelves.refresh(np.array([0, 1, 0], np.int32), np.array([4.0, 5.0, 3.0]))
    assert shelves.shelf(0).tolist() == [0, 2]
    shelves.refresh(np.array([0, 0, -1], np.int32), np.array([4.0, 5.0, 3.0]))
    assert [shelves.shelf(0).tolist(), shelves.shelf(1).tolist()] == [[1, 0], []]
