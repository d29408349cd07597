"""Shoppers in virtual time: valid events in a sensible order, whatever and whenever they are answered."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pytest

from streams.demo.crowd import Crowd, browse_virtually, crowd_size
from streams.demo.world import World, WorldSpec
from streams.events.decode import decode_events

Event = dict[str, Any]
START_MS = 1_700_000_000_000
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def world() -> World:
    return World(WorldSpec(seed=1, num_items=120, num_users=80))


def _as_asked(request: Event) -> Sequence[str]:
    return [item["item_id"] for item in request.get("items", ())] or [f"item-{i:04d}" for i in range(24)]


def _run(world: World, minutes: int = 2, seed: int = 0, num_active: int = 40) -> tuple[list[Event], Crowd]:
    crowd = Crowd(world, num_active, START_MS, seed)
    return list(browse_virtually(crowd, START_MS + minutes * MINUTE_MS, _as_asked)), crowd


@pytest.fixture(scope="module")
def events(world: World) -> list[Event]:
    return _run(world)[0]


def test_every_event_is_valid_and_every_kind_happens(events: list[Event]) -> None:
    decoded, rejected = decode_events([orjson.dumps(event) for event in events])

    assert rejected == []
    assert None not in decoded
    assert set(Counter(event["type"] for event in events)) == {
        "rank", "search", "impression", "click", "view", "dwell", "cart", "order", "cancel", "dislike",
    }  # fmt: skip


def test_event_ids_are_unique_and_times_never_go_back(events: list[Event]) -> None:
    assert len({event["event_id"] for event in events}) == len(events)
    times = [event["occurred_at_ms"] for event in events]
    assert times == sorted(times)


def test_a_seed_gives_the_same_events_and_another_seed_others(world: World, events: list[Event]) -> None:
    assert _run(world)[0] == events
    assert _run(world, seed=1)[0] != events


def test_a_slate_is_asked_for_then_seen_then_acted_on(events: list[Event]) -> None:
    asked: set[str] = set()
    seen: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event["type"] == "rank":
            asked.add(event["request_id"])
        elif event["type"] == "impression":
            assert event["slate_id"] in asked
            assert [item["position"] for item in event["items"]] == list(range(len(event["items"])))
            seen[event["slate_id"]] |= {item["item_id"] for item in event["items"]}
        elif event["type"] != "search":
            assert event["item_id"] in seen[event["slate_id"]]


def test_heartbeats_grow_until_the_final_time(events: list[Event]) -> None:
    dwells: dict[tuple[str, str], list[tuple[float, bool]]] = defaultdict(list)
    for event in events:
        if event["type"] == "dwell":
            dwells[event["slate_id"], event["item_id"]].append((event["dwell_s"], event["is_final"]))

    assert any(len(beats) > 2 for beats in dwells.values())
    for beats in dwells.values():
        assert [seconds for seconds, _ in beats] == sorted(seconds for seconds, _ in beats)
        assert not any(is_final for _, is_final in beats[:-1])


def test_orders_follow_their_carts_with_a_delay(events: list[Event]) -> None:
    carts = {(e["slate_id"], e["item_id"]): e["occurred_at_ms"] for e in events if e["type"] == "cart"}
    orders = {(e["slate_id"], e["item_id"]): e["occurred_at_ms"] for e in events if e["type"] == "order"}

    delays_s = [(at_ms - carts[key]) / 1000 for key, at_ms in orders.items()]
    assert len(delays_s) > 20
    assert min(delays_s) >= 0.0
    assert 4.0 < float(np.mean(delays_s)) < 12.0


def test_the_first_places_get_the_clicks_of_a_random_list(world: World) -> None:
    """Position bias: the lists here are in random order, so only the place can make the difference."""
    events, _ = _run(world, minutes=4, num_active=80)
    place = {
        (e["slate_id"], item["item_id"]): item["position"]
        for e in events if e["type"] == "impression"
        for item in e["items"]
    }  # fmt: skip
    clicks = Counter(place.get((e["slate_id"], e["item_id"]), -1) for e in events if e["type"] == "click")

    assert clicks[0] > 1.5 * clicks[3]
    assert clicks[0] + clicks[1] > 1.5 * (clicks[4] + clicks[5])


def test_shown_lists_know_the_sites_own_order(world: World) -> None:
    _, crowd = _run(world)
    shelves = [shown for shown in crowd.shown if shown.asked is not None]

    assert all(np.array_equal(shown.shown, shown.asked[:12]) for shown in shelves if shown.asked is not None)
    assert all(shown.is_answered for shown in crowd.shown)


def test_without_an_answer_the_shelf_stays_as_it_was_and_a_home_page_stays_empty(world: World) -> None:
    crowd = Crowd(world, 20, START_MS)
    events = crowd.advance(START_MS + MINUTE_MS)

    named = {e["request_id"] for e in events if e["type"] == "rank" and "items" in e}
    assert {e["slate_id"] for e in events if e["type"] == "impression"} <= named
    assert any(e["type"] == "impression" for e in events)
    assert not any(shown.is_answered for shown in crowd.shown)


def test_an_answer_after_the_shoppers_patience_changes_nothing(world: World) -> None:
    crowd = Crowd(world, 1, START_MS)
    request = next(e for e in crowd.advance(START_MS + MINUTE_MS) if e["type"] == "rank")

    assert crowd.answer(request["request_id"], ["item-0001"], START_MS + MINUTE_MS) == []


def test_crowd_size_meets_the_rate_it_was_asked_for() -> None:
    world = World(WorldSpec(seed=1, num_items=120, num_users=300))
    events, _ = _run(world, minutes=2, num_active=crowd_size(world, 100.0))

    assert 85.0 < len(events) / 120 < 115.0
