"""Catalogue columns: one slot per item, fields as they are now."""

import math
from typing import Any

from streams.features.catalogue import CatalogueColumns
from streams.settings import CatalogueFields
from tests.features.sample_shop import FIELDS, NOW_MS, shop


def values_of(items: CatalogueColumns, slot: int) -> list[tuple[str, str]]:
    """(field, value) of an item, in order."""
    return [(items.fields.affinity[items.field_of[v]], items.values[v]) for v in items.value_ids[slot].tolist()]


def test_an_item_has_one_slot_and_slot_zero_is_no_item() -> None:
    items = shop()
    assert items.slots(["ale", "new", "ale", ""]).tolist() == [2, 4, 2, 0]
    assert items.item_ids == ["", "tea", "ale", "cup", "new"]


def test_fields_are_taken_as_they_are_now_and_the_first_sight_stays() -> None:
    items = CatalogueColumns(FIELDS)
    items.upsert({"item_id": "a", "price": 2.0, "bid": 0.5, "category": "x", "kind": "ad", "tags": ["t"]}, NOW_MS)
    slot = items.upsert({"item_id": "a", "in_stock": False, "title": "A"}, NOW_MS + 5)

    assert [math.isnan(items.price[slot]), math.isnan(items.bid[slot])] == [True, True]
    assert (items.category[slot], items.kind[slot], items.in_stock[slot]) == (-1, 0, False)
    assert (items.first_seen_ms[slot], values_of(items, slot), items.texts[slot]) == (NOW_MS, [], "A")


def test_values_belong_to_their_field_and_are_named_once_each() -> None:
    items = CatalogueColumns(CatalogueFields(affinity=("category", "tags", "maker"), numbers=()))
    fields = {"maker": "same"}
    slot = items.upsert({"item_id": "a", "category": "same", "tags": ["same", "b", "same"], "fields": fields}, NOW_MS)
    assert values_of(items, slot) == [("category", "same"), ("tags", "same"), ("tags", "b"), ("maker", "same")]
    assert items.values == ["same", "same", "b", "same"]


def test_equal_values_and_categories_share_their_ids() -> None:
    items = shop()
    assert [items.value_ids[slot].tolist() for slot in range(4)] == [[], [0, 1, 2], [0, 3], [4, 1]]
    assert items.category[:4].tolist() == [-1, 0, 0, 1]


def test_numbers_come_from_standard_and_further_fields_and_words_are_missing() -> None:
    items = CatalogueColumns(CatalogueFields(affinity=(), numbers=("price", "weight", "title")))
    slot = items.upsert({"item_id": "a", "price": 2, "title": "words", "fields": {"weight": 0.5}}, NOW_MS)
    found = items.number[slot].tolist()
    assert found[:2] == [2.0, 0.5]
    assert math.isnan(found[2])


def test_a_removed_item_keeps_its_fields_but_is_not_known() -> None:
    items = shop()
    slot = items.remove("tea")
    assert (items.is_known[slot], items.price[slot], items.item_ids[slot]) == (False, 3.0, "tea")
    items.upsert({"item_id": "tea"}, NOW_MS + 1)
    assert (items.is_known[slot], items.first_seen_ms[slot]) == (True, NOW_MS)


def test_removing_what_was_never_there_makes_an_unknown_item() -> None:
    items = shop()
    assert not items.is_known[items.remove("ghost")]


def test_an_item_that_is_only_mentioned_is_in_stock_and_has_no_price() -> None:
    items = shop()
    slot = items.slot("new")
    facts: list[Any] = [bool(items.is_known[slot]), bool(items.in_stock[slot]), int(items.category[slot])]
    assert facts == [False, True, -1]
    assert math.isnan(items.price[slot])
    assert [math.isnan(number) for number in items.number[slot]] == [True, True]


def test_text_holds_title_category_brand_text_and_tags() -> None:
    items = shop()
    slot = items.upsert(
        {"item_id": "a", "title": "T", "category": "C", "brand": "B", "text": "X", "tags": ["g", "h"], "price": 1.0},
        NOW_MS,
    )
    assert items.texts[slot] == "T C B X g h"


def test_many_values_keep_their_fields() -> None:
    items = CatalogueColumns(FIELDS)
    for n in range(200):
        items.upsert({"item_id": f"i{n}", "category": f"c{n}", "tags": [f"t{n}"]}, NOW_MS)
    assert [values_of(items, n) for n in range(200)] == [[("category", f"c{n}"), ("tags", f"t{n}")] for n in range(200)]
