"""Endless valid traffic of a small shop, in the order of event time: what is mutated."""

import json
from collections.abc import Iterator
from typing import Any

from tests.events.sample_events import EXAMPLES
from tests.worker.event_log import START_MS, catalogue, shop_log

__all__ = ["catalogue_bytes", "endless_events"]

SLATES_PER_ROUND = 12
NUM_CROWDS = 50


def endless_events(seed: int) -> Iterator[dict[str, Any]]:
    """Visits, and now and then one event of every type; ids are new in every round, users come back."""
    shift_ms, number = 0, 0
    while True:
        crowd = number % NUM_CROWDS
        events = shop_log(SLATES_PER_ROUND, seed=seed * 100_003 + number)
        last_ms = max(event["occurred_at_ms"] for event in events)
        samples = [
            {**event, "event_id": kind, "occurred_at_ms": last_ms}
            for kind, event in EXAMPLES.items()
            if kind != "watermark"
        ]
        for event in [*events, *samples]:
            yield _moved(event, f"g{seed}.{number}.", crowd, shift_ms)
        shift_ms += last_ms - START_MS
        number += 1


def _moved(event: dict[str, Any], prefix: str, crowd: int, shift_ms: int) -> dict[str, Any]:
    moved = {**event, "user_id": f"{event['user_id']}.{crowd}", "occurred_at_ms": event["occurred_at_ms"] + shift_ms}
    for name in ("event_id", "slate_id", "request_id"):
        if name in event:
            moved[name] = prefix + event[name]
    return moved


def catalogue_bytes() -> list[bytes]:
    """Items of the shop, with text, vectors and further fields."""
    more = {"title": "Red shoes", "text": "Shoes, red, size 42.", "vector": [0.1, -2.0], "fields": {"size": [42, "L"]}}
    return [json.dumps({**item, **more, "bid": 0.1, "in_stock": True}).encode() for item in catalogue()]
