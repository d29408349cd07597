import pytest

from streams.features.items import ItemTable
from streams.ranking.candidates import CandidateIndex, Candidates
from streams.ranking.query_index import item_words
from tests.ranking.sample_items import NOW_MS, click, co_click, ids, item_table, numbered


def index_of(items: ItemTable, num_candidates: int) -> CandidateIndex:
    index = CandidateIndex(num_candidates)
    index.refresh(items, NOW_MS)
    return index


def indexed(catalogue: list[dict[str, object]], num_candidates: int) -> tuple[ItemTable, CandidateIndex]:
    items = item_table(catalogue)
    index = index_of(items, num_candidates)
    for item in catalogue:
        index.queries.update(items.slot(str(item["item_id"])), item_words(item))
    return items, index


def found(items: ItemTable, candidates: Candidates) -> list[str]:
    return ids(items, candidates.slots.tolist())


def test_a_small_catalogue_comes_back_whole_and_once() -> None:
    items = item_table(numbered(30, category="c"))
    co_click(items, "i1", ["i2", "i3"])
    click(items, "i4", 3)
    got = found(items, index_of(items, 200).generate(items, [items.slot("i1")]))
    assert sorted(got) == sorted(f"i{n}" for n in range(30))


def test_sources_share_the_candidates() -> None:
    """Ten places of a shop of 80: four co-visited, two of the category, two trending, two new."""
    items = item_table(
        [{"item_id": f"i{n}", "category": f"c{n // 20}"} for n in range(80)],
    )
    for number in range(1, 8):
        co_click(items, "i0", [f"i{number}"] * (10 - number))
    for number in range(60, 70):
        click(items, f"i{number}", number)
    for number in range(10, 15):
        click(items, f"i{number}", number)
    got = found(items, index_of(items, 10).generate(items, [items.slot("i0")]))
    assert got == ["i1", "i2", "i3", "i4", "i14", "i13", "i69", "i68", "i79", "i78"]


def test_the_newest_items_come_for_a_user_without_history() -> None:
    items = item_table(numbered(30))
    assert found(items, index_of(items, 3).generate(items, [])) == ["i29", "i28", "i27"]


def test_each_recent_item_has_a_say_and_the_newer_one_a_little_more() -> None:
    """i1 was clicked a hundred times with its neighbour, i2 once with its own: counts do not drown the newer item."""
    items = item_table(numbered(60))
    co_click(items, "i1", ["i11"] * 100)
    co_click(items, "i2", ["i12"])
    recent = [items.slot("i2"), items.slot("i1")]
    assert found(items, index_of(items, 10).generate(items, recent))[:2] == ["i12", "i11"]


def test_items_that_cannot_be_sold_are_never_candidates() -> None:
    items = item_table([*numbered(5, category="c"), {"item_id": "gone", "in_stock": False, "category": "c"}])
    co_click(items, "i0", ["gone", "never-catalogued", "i1"])
    for item_id in ("gone", "never-catalogued", "removed"):
        click(items, item_id, 50)
    items.remove("i4")
    got = found(items, index_of(items, 50).generate(items, [items.slot("i0")]))
    assert sorted(got) == ["i0", "i1", "i2", "i3"]


def test_an_item_that_sold_out_since_the_last_refresh_is_left_out() -> None:
    items = item_table(numbered(3))
    index = index_of(items, 50)
    items.upsert({"item_id": "i1", "in_stock": False}, NOW_MS)
    assert sorted(found(items, index.generate(items, []))) == ["i0", "i2"]


def test_excluded_items_never_come_and_seen_ones_come_last() -> None:
    items = item_table(numbered(6))
    exclude, seen = [items.slot("i5")], [items.slot("i4"), items.slot("i3")]
    got = found(items, index_of(items, 50).generate(items, [], exclude=exclude, seen=seen))
    assert got == ["i2", "i1", "i0", "i4", "i3"]


SHOP: list[dict[str, object]] = [
    {"item_id": "red-shoes", "title": "Red shoes"},
    {"item_id": "red-hat", "title": "red hat"},
    {"item_id": "blue-shoes", "title": "blue shoes", "tags": ["summer"]},
    {"item_id": "red-scarf", "title": "red scarf"},
    {"item_id": "watch", "title": "watch"},
]


def test_items_matching_the_query_come_first_though_seen() -> None:
    items, index = indexed(SHOP, 50)
    candidates = index.generate(items, [], query="SUMMER", seen=[items.slot("blue-shoes")])
    assert found(items, candidates) == ["blue-shoes", "watch", "red-scarf", "red-hat", "red-shoes"]
    assert candidates.num_matched == 1


def test_a_weak_partial_match_is_no_match() -> None:
    """`red` is common, `shoes` is rarer: what has only `red` says too little about red shoes."""
    items, index = indexed(SHOP, 50)
    candidates = index.generate(items, [], query="red shoes")
    assert found(items, candidates)[: candidates.num_matched] == ["red-shoes", "blue-shoes"]


def test_equal_matches_go_by_popularity() -> None:
    items, index = indexed(SHOP, 50)
    click(items, "red-scarf", 5)
    index.refresh(items, NOW_MS)
    candidates = index.generate(items, [], query="red", exclude=[items.slot("red-hat")])
    assert found(items, candidates)[: candidates.num_matched] == ["red-scarf", "red-shoes"]


def test_a_query_that_matches_nothing_brings_the_usual_candidates() -> None:
    items, index = indexed(SHOP, 50)
    candidates = index.generate(items, [], query="umbrella")
    assert candidates.num_matched == 0
    assert len(candidates.slots) == 5


def test_items_that_came_after_the_refresh_are_found_by_query_and_neighbours() -> None:
    items, index = indexed(SHOP, 50)
    for number in range(3000):
        items.upsert({"item_id": f"late{number}"}, NOW_MS)
    index.queries.update(items.slot("late2999"), item_words({"title": "umbrella"}))
    co_click(items, "watch", ["late2998"])
    got = found(items, index.generate(items, [items.slot("watch")], query="umbrella"))
    assert got[:2] == ["late2999", "late2998"]


@pytest.mark.parametrize("num_candidates", [1, 7, 50])
def test_candidates_are_distinct_bounded_and_the_same_every_time(num_candidates: int) -> None:
    items = item_table([{"item_id": f"i{n}", "category": f"c{n % 3}"} for n in range(40)])
    for number in range(0, 40, 3):
        co_click(items, f"i{number}", [f"i{other}" for other in range(number)])
        click(items, f"i{number}", number)
    index = index_of(items, num_candidates)
    recent = items.slots(["i9", "i21", "i30"]).tolist()
    first = found(items, index.generate(items, recent))
    assert len(set(first)) == len(first) == min(num_candidates, 40)
    assert found(items, index.generate(items, recent)) == first
