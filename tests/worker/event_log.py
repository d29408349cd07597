"""A seeded log of valid events of a few users, with duplicates, late and early records, for tests of the engine."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

START_MS = 1_750_000_000_000
NUM_ITEMS = 60


@dataclass(frozen=True)
class Record:
    """A record as a consumer gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def records(events: list[dict[str, Any]], first_offset: int = 0) -> list[Record]:
    """Records appended a second after the latest event so far, keyed by user."""
    latest_ms, made = 0, []
    for index, event in enumerate(events):
        latest_ms = max(latest_ms, event["occurred_at_ms"])
        key = event["user_id"].encode()
        made.append(Record(first_offset + index, latest_ms + 1000, key, json.dumps(event).encode()))
    return made


def shop_log(num_slates: int, seed: int = 1, num_users: int = 12) -> list[dict[str, Any]]:
    """Slates of ten items with clicks, dwell heartbeats, carts, orders; 5 % duplicates; jitter of two seconds."""
    rng = np.random.default_rng(seed)
    events: list[dict[str, Any]] = []
    at_ms = START_MS
    for number in range(num_slates):
        at_ms += int(rng.integers(1, 4000))
        events += _visit(rng, f"u{rng.integers(0, num_users)}", f"s{number}", at_ms)
    events.sort(key=lambda e: e["occurred_at_ms"] + int(rng.integers(0, 2000)))
    repeated = [event for event in events if rng.random() < 0.05]
    for event in repeated:
        events.insert(int(rng.integers(0, len(events) + 1)), event)
    return events


def with_forgets(events: list[dict[str, Any]], every: int, seed: int = 1) -> list[dict[str, Any]]:
    """The events, and after each `every` of them a random user who is forgotten, at the time of the event before."""
    rng = np.random.default_rng(seed)
    log: list[dict[str, Any]] = []
    for number, event in enumerate(events, start=1):
        log.append(event)
        if number % every == 0:
            user, at_ms = f"u{rng.integers(0, 12)}", event["occurred_at_ms"]
            log.append({"type": "forget", "event_id": f"f{number}", "user_id": user, "occurred_at_ms": at_ms})
    return log


def _visit(rng: np.random.Generator, user: str, slate: str, at_ms: int) -> list[dict[str, Any]]:
    shown = [f"i{n}" for n in rng.choice(NUM_ITEMS, 10, replace=False)]

    def event(kind: str, after_ms: int, **fields: Any) -> dict[str, Any]:
        return {"type": kind, "event_id": f"{slate}:{kind}:{after_ms}:{fields.get('item_id', '')}", "user_id": user,
                "occurred_at_ms": at_ms + after_ms, **fields}  # fmt: skip

    found = [
        event("rank", 0, request_id=slate, surface="home", items=[{"item_id": i} for i in shown]),
        event("impression", 10, slate_id=slate, surface="home",
              items=[{"item_id": i, "position": p} for p, i in enumerate(shown)]),
    ]  # fmt: skip
    for place in np.flatnonzero(rng.random(10) < 0.2):
        item, after = shown[place], int(rng.integers(500, 9000))
        found.append(event("click", after, item_id=item, slate_id=slate))
        found.append(event("view", after + 1, item_id=item))
        found += [
            event("dwell", after + 3000 * n, item_id=item, slate_id=slate, dwell_s=3.0 * n, is_final=n == 2)
            for n in (1, 2)
        ]
        if rng.random() < 0.5:
            found.append(event("cart", after + 4000, item_id=item, price=9.5, quantity=1))
        if rng.random() < 0.2:
            found.append(event("order", after + 30_000, item_id=item, price=9.5, quantity=2))
    return found


def catalogue() -> list[dict[str, Any]]:
    """Items with categories, tags and prices."""
    return [
        {"item_id": f"i{n}", "category": f"c{n % 5}", "tags": [f"t{n % 7}", f"t{n % 11}"], "price": 1.0 + n}
        for n in range(NUM_ITEMS)
    ]
