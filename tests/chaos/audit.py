"""Says whether a disturbed run came to the same as an undisturbed one over the same log, and what the first lie is.

Two witnesses: a straight run of real processes that nobody disturbs, and the ledger, which shares no code with the
worker. Everything is compared key by key.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from streams.demo.ledger import TOTAL_COLUMNS, Ledger
from tests.chaos.outcome import Outcome, Table


def good_events(records: Sequence[Any]) -> list[dict[str, Any]]:
    """The events on the topic that a ledger can count: those with all their fields."""
    return [event for event in (orjson.loads(record.value) for record in records) if "event_id" in event]


def entities(events: Iterable[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Users and items that events are about, sorted."""
    users, items = set(), set()
    for event in events:
        users.add(event["user_id"])
        items.update(item["item_id"] for item in event.get("items", ()))
        if "item_id" in event:
            items.add(event["item_id"])
    return sorted(users - {""}), sorted(items)


def lost_events(sent: Iterable[dict[str, Any]], on_topic: Iterable[dict[str, Any]]) -> list[str]:
    """Events that Kafka took and does not have."""
    held = {(event["user_id"], event["event_id"]) for event in on_topic}
    return [
        f"event {event['event_id']} was sent and is not in the log"
        for event in sent
        if (event["user_id"], event["event_id"]) not in held
    ]


def differences(what: str, found: Table, expected: Table) -> list[str]:
    """One sentence per key whose value differs, in the order of the keys."""
    nothing = "nothing"
    return [
        f"{what} {key}: found {found.get(key, nothing)}, a straight run gives {expected.get(key, nothing)}"
        for key in sorted(found.keys() | expected.keys())
        if found.get(key, nothing) != expected.get(key, nothing)
    ]


def wrong_totals(events: Iterable[dict[str, Any]], outcome: Outcome) -> list[str]:
    """Lifetime totals in Feast that are not what the ledger adds up, which knows no late events."""
    ledger = Ledger()
    for event in sorted(events, key=lambda event: event["occurred_at_ms"]):
        ledger.take(event)
    return [
        f"{name} {entity}: {column} is {stored} in Feast, and {sent} in the log"
        for name, wrong in (
            ("user", ledger.wrong_users(_by_entity(outcome.user_rows))),
            ("item", ledger.wrong_items(_by_entity(outcome.item_rows))),
        )
        for entity, columns in sorted(wrong.items())
        for column, (sent, stored) in columns.items()
    ]


def wrong_rankings(events: Iterable[dict[str, Any]], outcome: Outcome) -> list[str]:
    """Lists by a model that nobody published, and requests that nobody answered."""
    published = {0, *outcome.announced}
    foreign = [one for one in outcome.rankings if one.model_version not in published]
    answered = {one.slate_id for one in outcome.rankings}
    asked = [event["request_id"] for event in events if event["type"] == "rank"]
    return [
        *(f"ranking {one.slate_id} is by model {one.model_version}, which was never published" for one in foreign),
        *(f"request {request} was never answered" for request in asked if request not in answered),
    ]


def wrong_outcome(outcome: Outcome, straight: Outcome) -> list[str]:
    """Where a run's rows and records differ from the straight run's."""
    return [
        *differences("row of user", outcome.user_rows, straight.user_rows),
        *differences("row of item", outcome.item_rows, straight.item_rows),
        *differences("slate shown", outcome.shown, straight.shown),
        *differences("labels", outcome.labels, straight.labels),
        *differences("refused record", outcome.refused, straight.refused),
    ]


def wrong_buffer(buffer: tuple[Table, Table, list[str]], straight: Outcome) -> list[str]:
    """Where the training buffer differs from what a straight run would have given it."""
    shown, labels, slates = buffer
    twice = [slate for slate, num in Counter(slates).items() if num > 1]
    return [
        *(f"slate {slate} became learnable twice" for slate in sorted(twice)),
        *differences("slate in the buffer", shown, straight.shown),
        *differences("labels in the buffer", labels, straight.labels),
    ]


def _by_entity(table: Table) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for key, value in table.items():
        entity, _, column = key.rpartition(".")
        if column in TOTAL_COLUMNS:
            rows.setdefault(entity, {})[column] = value
    return rows
