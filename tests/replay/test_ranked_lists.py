"""Lists of a log: requests, impressions without one, clicks with and without a slate, answers."""

from typing import Any

import numpy as np

from streams.replay.ranked_lists import ListCollector, RankedList

Event = dict[str, Any]


def _rank(slate_id: str, *items: str, user_id: str = "u", **fields: Any) -> Event:
    return {
        "type": "rank", "event_id": f"{slate_id}:rank", "user_id": user_id, "occurred_at_ms": 5, "surface": "home",
        "request_id": slate_id, "items": [{"item_id": item, "position": place} for place, item in enumerate(items)],
    } | fields  # fmt: skip


def _impression(slate_id: str, *items: str, user_id: str = "u") -> Event:
    return {
        "type": "impression", "event_id": f"{slate_id}:impression", "user_id": user_id, "occurred_at_ms": 5,
        "surface": "home", "slate_id": slate_id,
        "items": [{"item_id": item, "position": place} for place, item in enumerate(items)],
    }  # fmt: skip


def _click(item: str, slate_id: str | None = None, user_id: str = "u") -> Event:
    click = {
        "type": "click",
        "event_id": f"{slate_id}:{item}",
        "user_id": user_id,
        "occurred_at_ms": 9,
        "item_id": item,
    }
    return click if slate_id is None else click | {"slate_id": slate_id}


def _lists(*events: Event) -> list[RankedList]:
    collector = ListCollector()
    for event in events:
        collector.take(event)
    return collector.lists


def test_a_request_begins_a_list_and_its_impression_does_not_begin_another() -> None:
    collector = ListCollector()
    rank, impression = _rank("s", "a", "b"), _impression("s", "a", "b")

    sent, begun = collector.take(rank)
    assert sent == [rank]
    assert begun is collector.lists[0]
    assert collector.take(impression) == ([impression], None)
    assert [one.item_ids for one in collector.lists] == [("a", "b")]


def test_an_impression_that_nobody_asked_for_gets_a_request_before_it() -> None:
    collector = ListCollector()
    impression = _impression("s", "a", "b")

    sent, begun = collector.take(impression)
    assert sent == [_rank("s", "a", "b"), impression]
    assert begun is not None
    assert collector.take(_impression("s", "c"))[1] is None


def test_the_same_slate_of_another_user_is_another_list() -> None:
    lists = _lists(_rank("s", "a"), _rank("s", "b", user_id="v"), _click("b", "s", user_id="v"))

    assert [(one.user_id, one.clicked) for one in lists] == [("u", set()), ("v", {"b"})]


def test_items_stand_in_the_order_of_their_positions() -> None:
    rank = _rank("s", items=[{"item_id": "a", "position": 2}, {"item_id": "b", "position": 0}, {"item_id": "c"}])

    assert [one.item_ids for one in _lists(rank)] == [("b", "a", "c")]


def test_a_request_without_items_is_no_list_and_neither_is_a_repeated_one() -> None:
    rank = _rank("s", "a", "b")
    del rank["items"]

    assert _lists(rank, _impression("s", "a")) == []
    assert len(_lists(_rank("s", "a"), _rank("s", "a"))) == 1


def test_clicks_label_the_list_they_name_or_the_users_last_one() -> None:
    lists = _lists(
        _rank("s", "a", "b"), _rank("t", "a", "c"), _click("b", "s"), _click("c"), _click("x"), _click("a", "unknown"),
        _click("x", "t"),
    )  # fmt: skip

    assert [one.clicked for one in lists] == [{"b"}, {"c"}]
    assert [one.gains.tolist() for one in lists] == [[0.0, 1.0], [0.0, 1.0]]


def test_an_answer_is_put_in_the_lists_order_and_left_out_items_come_last() -> None:
    [one] = _lists(_rank("s", "a", "b", "c"))
    one.take_answer({"model_version": 7, "items": [
        {"item_id": "c", "score": 0.9, "predictions": {"click": 0.4, "cart": 0.1}},
        {"item_id": "a", "score": 0.2, "predictions": {"click": 0.3}},
    ]})  # fmt: skip

    assert one.scores["freshrank"].tolist() == [0.2, -np.inf, 0.9]
    assert one.model_version == 7
    assert one.p_click is not None
    assert np.array_equal(one.p_click, [0.3, np.nan, 0.4], equal_nan=True)
