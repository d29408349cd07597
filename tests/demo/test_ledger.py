"""The ledger of what was sent: the rules of the lifetime totals, written out once more."""

from typing import Any

from streams.demo.ledger import Ledger

Event = dict[str, Any]
_numbers = iter(range(1_000_000))


def _event(kind: str, *, user_id: str = "u", event_id: str | None = None, **fields: Any) -> Event:
    return {
        "type": kind,
        "user_id": user_id,
        "event_id": event_id or str(next(_numbers)),
        "occurred_at_ms": 1,
        **fields,
    }


def _ledger(*events: Event) -> Ledger:
    ledger = Ledger()
    for event in events:
        ledger.take(event)
    return ledger


def test_actions_count_for_user_and_item() -> None:
    ledger = _ledger(
        _event("view", item_id="a"), _event("click", item_id="a"), _event("cart", item_id="b"),
        _event("order", item_id="b"), _event("cancel", item_id="b"), _event("dislike", item_id="c"),
        _event("search", query="red shoes"),
    )  # fmt: skip

    assert ledger.users == {"u": {"views_total": 1, "clicks_total": 1, "carts_total": 1, "orders_total": 1}}
    assert ledger.items == {"a": {"views_total": 1, "clicks_total": 1}, "b": {"carts_total": 1, "orders_total": 1}}
    assert ledger.num_events == 7


def test_a_repeated_event_id_counts_once_per_user() -> None:
    ledger = _ledger(
        _event("click", event_id="1", item_id="a"),
        _event("click", event_id="1", item_id="a"),
        _event("click", event_id="1", item_id="a", user_id="v"),
    )

    assert ledger.items == {"a": {"clicks_total": 2}}


def test_an_item_of_a_slate_is_shown_once_however_many_impressions_name_it() -> None:
    shown = {"slate_id": "s", "surface": "home"}
    ledger = _ledger(
        _event("impression", items=[{"item_id": "a", "position": 0}, {"item_id": "b", "position": 1}], **shown),
        _event("impression", items=[{"item_id": "b", "position": 1}, {"item_id": "c", "position": 2}], **shown),
    )

    assert ledger.users == {"u": {"impressions_total": 3}}
    assert {item: totals["impressions_total"] for item, totals in ledger.items.items()} == {"a": 1, "b": 1, "c": 1}
    assert ledger.slates == {("u", "s")}


def test_a_heartbeat_replaces_the_one_before_until_a_new_visit_begins() -> None:
    about = {"slate_id": "s", "item_id": "a"}
    ledger = _ledger(
        _event("click", **about), _event("dwell", dwell_s=4.0, **about), _event("dwell", dwell_s=6.5, **about),
        _event("view", **about), _event("dwell", dwell_s=2.0, **about),
    )  # fmt: skip

    assert ledger.users["u"]["dwell_ms_total"] == 8500


def test_differences_name_entity_column_sent_and_found() -> None:
    ledger = _ledger(_event("click", item_id="a"), _event("click", item_id="b"))

    assert ledger.wrong_users({"u": {"clicks_total": 2, "views_total": 0}}) == {}
    assert ledger.wrong_items({"a": {"clicks_total": 3}, "x": {"views_total": 1}}) == {
        "a": {"clicks_total": (1, 3)},
        "b": {"clicks_total": (1, 0)},
        "x": {"views_total": (0, 1)},
    }
    assert ledger.wrong_users({}) == {"u": {"clicks_total": (2, 0)}}
    assert ledger.wrong_users({"u": {"clicks_total": None}}) == {"u": {"clicks_total": (2, 0)}}


def test_a_forgotten_user_starts_anew_and_items_keep_what_they_counted() -> None:
    ledger = _ledger(_event("click", item_id="a"), _event("forget"), _event("view", item_id="a"))

    assert ledger.users == {"u": {"views_total": 1}}
    assert ledger.items == {"a": {"clicks_total": 1, "views_total": 1}}
