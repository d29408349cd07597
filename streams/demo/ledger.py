"""What was sent, added up the way the feature rows add it up: the other side of "nothing lost, nothing counted twice".

A second, simple implementation of the lifetime totals on purpose: it shares no code with the worker that it checks.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

__all__ = ["TOTAL_COLUMNS", "Ledger"]

Event = Mapping[str, Any]
Totals = dict[str, Counter[str]]

TOTAL_COLUMNS = (
    "impressions_total", "views_total", "clicks_total", "carts_total", "orders_total", "dwell_ms_total",
)  # fmt: skip
_COLUMN_OF_TYPE = {"view": "views_total", "click": "clicks_total", "cart": "carts_total", "order": "orders_total"}


class Ledger:
    """Totals by user and by item over the events taken; an event id counts once per user."""

    def __init__(self) -> None:
        self.users: Totals = defaultdict(Counter)
        self.items: Totals = defaultdict(Counter)
        self.types: Counter[str] = Counter()
        self.latest_ms = 0
        self.slates: set[tuple[str, str]] = set()
        self._event_ids: set[tuple[str, str]] = set()
        self._shown: set[tuple[str, str, str]] = set()
        self._visits: dict[tuple[str, str, str], int] = {}

    @property
    def num_events(self) -> int:
        """Distinct events taken."""
        return self.types.total()

    def take(self, event: Event) -> None:
        """Add one event that was sent."""
        key = (event["user_id"], event["event_id"])
        if key in self._event_ids:
            return
        self._event_ids.add(key)
        self.latest_ms = max(self.latest_ms, event["occurred_at_ms"])
        kind = event["type"]
        self.types[kind] += 1
        if kind == "impression":
            self._take_impression(event)
        elif kind == "dwell":
            self._take_dwell(event)
        elif kind == "forget":
            self.users.pop(event["user_id"], None)
        elif kind in _COLUMN_OF_TYPE:
            self._add(event["user_id"], event["item_id"], _COLUMN_OF_TYPE[kind], 1)
        if kind in {"click", "view"}:
            self._visits.pop(_visit(event), None)

    def wrong_users(self, rows: Mapping[str, Mapping[str, int | None]]) -> dict[str, dict[str, tuple[int, int]]]:
        """Users whose row differs: column -> (sent, found). A missing row counts as zeros."""
        return _differences(self.users, rows)

    def wrong_items(self, rows: Mapping[str, Mapping[str, int | None]]) -> dict[str, dict[str, tuple[int, int]]]:
        """Items whose row differs: column -> (sent, found). A missing row counts as zeros."""
        return _differences(self.items, rows)

    def _take_impression(self, event: Event) -> None:
        user_id, slate_id = event["user_id"], event["slate_id"]
        self.slates.add((user_id, slate_id))
        for item in event["items"]:
            place = (user_id, slate_id, item["item_id"])
            if place not in self._shown:
                self._shown.add(place)
                self._add(user_id, item["item_id"], "impressions_total", 1)

    def _take_dwell(self, event: Event) -> None:
        """A heartbeat replaces the one before it in the same visit."""
        dwell_ms = round(event["dwell_s"] * 1000)
        before_ms = self._visits.get(_visit(event), 0)
        self._visits[_visit(event)] = dwell_ms
        self._add(event["user_id"], event["item_id"], "dwell_ms_total", dwell_ms - before_ms)

    def _add(self, user_id: str, item_id: str, column: str, num: int) -> None:
        self.users[user_id][column] += num
        self.items[item_id][column] += num


def _visit(event: Event) -> tuple[str, str, str]:
    return (event["user_id"], event.get("slate_id", ""), event["item_id"])


def _differences(sent: Totals, rows: Mapping[str, Mapping[str, int | None]]) -> dict[str, dict[str, tuple[int, int]]]:
    wrong: dict[str, dict[str, tuple[int, int]]] = {}
    for entity in sent.keys() | rows.keys():
        row = rows.get(entity, {})
        expected = sent.get(entity, Counter())
        columns = {c: (expected[c], row.get(c) or 0) for c in TOTAL_COLUMNS if expected[c] != (row.get(c) or 0)}
        if columns:
            wrong[entity] = columns
    return wrong
