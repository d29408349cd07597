from typing import Any

import pytest

from streams.events.metarank import UnmappableError, map_metarank

ITEM = {
    "event": "item",
    "id": "x1",
    "item": "i1",
    "timestamp": "1636907100000",
    "fields": [
        {"name": "title", "value": "A"},
        {"name": "description", "value": "About A"},
        {"name": "tags", "value": ["x", "y"]},
        {"name": "price", "value": 9.5},
        {"name": "in_stock", "value": False},
        {"name": "genres", "value": ["drama"]},
        {"name": "runtime", "value": 101.0},
        {"name": "is_new", "value": True},
    ],
}
RANKING = {
    "event": "ranking",
    "id": "r1",
    "user": "u1",
    "session": "s1",
    "timestamp": "1636993834000",
    "fields": [],
    "items": [{"id": "a", "fields": [{"name": "relevancy", "value": 0.0}]}, {"id": "b"}],
}
INTERACTION = {
    "event": "interaction",
    "id": "c1",
    "user": "u1",
    "session": "s1",
    "timestamp": "1636993839000",
    "ranking": "r1",
    "item": "a",
    "type": "click",
    "fields": [],
}
COMMON = {"user_id": "u1", "session_id": "s1", "occurred_at_ms": 1_636_993_834_000}


def test_an_item_becomes_a_catalogue_record_with_its_known_fields_in_their_places() -> None:
    item = {
        "item_id": "i1", "title": "A", "text": "About A", "tags": ["x", "y"], "price": 9.5, "in_stock": False,
        "fields": {"genres": ["drama"], "runtime": 101.0, "is_new": 1},
    }  # fmt: skip
    assert map_metarank(ITEM) == [("catalogue", "i1", item)]


def test_a_known_field_of_another_type_goes_to_the_free_fields() -> None:
    fields = [{"name": "category", "value": ["a", "b"]}, {"name": "tags", "value": "one"}]
    item = {"item_id": "i1", "tags": ["one"], "fields": {"category": ["a", "b"]}}
    assert map_metarank({**ITEM, "fields": fields}) == [("catalogue", "i1", item)]


def test_a_ranking_becomes_a_request_and_an_impression_of_the_same_slate() -> None:
    places = [{"item_id": "a", "position": 0}, {"item_id": "b", "position": 1}]
    rank = {**COMMON, "type": "rank", "event_id": "r1:rank", "request_id": "r1", "surface": "home", "items": places}
    seen = {**COMMON, "type": "impression", "event_id": "r1:impression", "slate_id": "r1", "surface": "home",
            "items": places}  # fmt: skip
    assert map_metarank(RANKING) == [("events", "u1", rank), ("events", "u1", seen)]


def test_surface_query_and_other_fields_of_a_ranking_are_kept() -> None:
    fields = [{"name": n, "value": v} for n, v in (("surface", "search"), ("query", "socks"), ("device", "phone"))]
    (_, _, rank), (_, _, seen) = map_metarank({**RANKING, "fields": fields})
    assert (rank["surface"], rank["query"], rank["context"]) == ("search", "socks", {"device": "phone"})
    assert (seen["surface"], "query" in seen) == ("search", False)


def test_relevance_is_kept_when_any_item_has_one() -> None:
    items = [{"id": "a", "fields": [{"name": "relevancy", "value": 0.0}]},
             {"id": "b", "fields": [{"name": "relevancy", "value": 2.5}]}, {"id": "c"}]  # fmt: skip
    (_, _, rank), (_, _, seen) = map_metarank({**RANKING, "items": items})
    assert rank["items"] == [
        {"item_id": "a", "position": 0, "relevance": 0.0},
        {"item_id": "b", "position": 1, "relevance": 2.5},
        {"item_id": "c", "position": 2},
    ]
    assert seen["items"] == [{"item_id": item, "position": place} for place, item in enumerate("abc")]


def test_a_click_keeps_its_id_and_slate() -> None:
    click = {**COMMON, "occurred_at_ms": 1_636_993_839_000, "type": "click", "event_id": "c1", "item_id": "a",
             "slate_id": "r1"}  # fmt: skip
    assert map_metarank(INTERACTION) == [("events", "u1", click)]


def test_a_purchase_becomes_an_order_with_its_price() -> None:
    fields = [{"name": "price", "value": 5.0}, {"name": "quantity", "value": 2}, {"name": "shop", "value": "x"}]
    [(_, _, order)] = map_metarank({**INTERACTION, "type": "purchase", "fields": fields})
    assert (order["type"], order["price"], order["quantity"], order["context"]) == ("order", 5.0, 2, {"shop": "x"})


def test_a_visitor_without_an_account_is_known_by_the_session() -> None:
    [(_, key, click)] = map_metarank({**INTERACTION, "user": None})
    assert (key, click["user_id"], click["session_id"]) == ("s1", "s1", "s1")


@pytest.mark.parametrize(
    "timestamp", ["1636993839000", 1_636_993_839_000, "2021-11-15T16:30:39Z", "2021-11-15T17:30:39+01:00"]
)
def test_times_are_read_in_each_written_form(timestamp: object) -> None:
    [(_, _, click)] = map_metarank({**INTERACTION, "timestamp": timestamp})
    assert click["occurred_at_ms"] == 1_636_993_839_000


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        ({}, "unknown_type", "event: found None, must be 'item', 'ranking' or 'interaction'"),
        ({**INTERACTION, "item": None}, "missing_field", "item: not in the line, needed"),
        ({**INTERACTION, "item": 7}, "wrong_type", "item: found 7, must be a string"),
        ({**INTERACTION, "user": None, "session": None}, "missing_field", "session: not in the line, needed"),
        (
            {**INTERACTION, "timestamp": "yesterday"},
            "wrong_type",
            "timestamp: found 'yesterday', must be milliseconds since the epoch or ISO 8601",
        ),
        (
            {**INTERACTION, "type": ["click"]},
            "unknown_type",
            "type: found ['click'], must be one of click, view, cart, add_to_cart, order, purchase, dislike",
        ),
        ({**RANKING, "items": None}, "wrong_type", "items: found None, must be a list of objects"),
        ({**ITEM, "fields": [1]}, "wrong_type", "fields: found [1], must be a list of name and value"),
    ],
)
def test_a_line_without_counterpart_is_refused_with_its_reason(line: dict[str, Any], reason: str, detail: str) -> None:
    with pytest.raises(UnmappableError) as caught:
        map_metarank(line)
    assert (caught.value.reason, caught.value.detail) == (reason, detail)
