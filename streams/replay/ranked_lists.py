"""The lists of a log, as an evaluation sees them: what was asked for, what was clicked, what each ranker said of it.

A list is a rank request that names its items. An impression whose slate nobody asked for gets such a request put before
it, so that every list of a log can be scored before its clicks. Pure: events in, events and lists out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ListCollector", "RankedList"]

Event = Mapping[str, Any]
Float64 = NDArray[np.float64]


@dataclass(slots=True)
class RankedList:
    """One list. `item_ids` in the order of their places when asked; `scores` by ranker, float64[N] in that order.

    `p_click`: freshrank's float64[N], nan where it gave none; None until it answered, by `model_version` (0: none yet).
    """

    slate_id: str
    user_id: str
    at_ms: int
    item_ids: tuple[str, ...]
    clicked: set[str] = field(default_factory=set)
    scores: dict[str, Float64] = field(default_factory=dict)
    p_click: Float64 | None = None
    model_version: int = 0

    @property
    def gains(self) -> Float64:
        """float64[N]: 1 where the item was clicked."""
        return np.array([item in self.clicked for item in self.item_ids], np.float64)

    def take_answer(self, ranking: Mapping[str, Any]) -> None:
        """Keep what a published ranking says of each item; an item that it leaves out comes last."""
        answered = {item["item_id"]: item for item in ranking["items"]}
        found = [answered.get(item_id) for item_id in self.item_ids]
        self.model_version = ranking["model_version"]
        self.scores["freshrank"] = np.array([-np.inf if item is None else item["score"] for item in found])
        self.p_click = np.array(
            [np.nan if item is None else item["predictions"].get("click", np.nan) for item in found]
        )


class ListCollector:
    """Finds the lists in a stream of events, and the list each click belongs to."""

    def __init__(self) -> None:
        self.lists: list[RankedList] = []
        self._by_slate: dict[tuple[str, str], RankedList] = {}
        self._asked: set[tuple[str, str]] = set()
        self._last_of_user: dict[str, RankedList] = {}

    def take(self, event: Event) -> tuple[list[Event], RankedList | None]:
        """The events to send for this one (a request may come before it), and the list that begins with it, if any."""
        kind = event["type"]
        if kind == "rank":
            return [event], self._begin(event)
        if kind == "impression" and (event["user_id"], event["slate_id"]) not in self._asked:
            request = _request_for(event)
            return [request, event], self._begin(request)
        if kind == "click":
            self._note_click(event)
        return [event], None

    def find(self, user_id: str, slate_id: str) -> RankedList | None:
        """The list of this user and slate."""
        return self._by_slate.get((user_id, slate_id))

    def _begin(self, request: Event) -> RankedList | None:
        key = (request["user_id"], request["request_id"])
        if key in self._asked:
            return None
        self._asked.add(key)
        if not request.get("items"):
            return None
        found = RankedList(request["request_id"], request["user_id"], request["occurred_at_ms"], _in_places(request))
        self.lists.append(found)
        self._by_slate[key] = self._last_of_user[request["user_id"]] = found
        return found

    def _note_click(self, event: Event) -> None:
        """A click that names no slate belongs to the user's last list, if the item is on it."""
        slate_id, user_id = event.get("slate_id"), event["user_id"]
        found = self._last_of_user.get(user_id) if slate_id is None else self._by_slate.get((user_id, slate_id))
        if found is not None and event["item_id"] in found.item_ids:
            found.clicked.add(event["item_id"])


def _request_for(impression: Event) -> Event:
    slate_id = impression["slate_id"]
    return {
        "type": "rank",
        "event_id": f"{slate_id}:rank",
        "user_id": impression["user_id"],
        "occurred_at_ms": impression["occurred_at_ms"],
        "request_id": slate_id,
        "surface": impression["surface"],
        "items": [{"item_id": item["item_id"], "position": item["position"]} for item in impression["items"]],
    }


def _in_places(request: Event) -> tuple[str, ...]:
    items: Sequence[Mapping[str, Any]] = request["items"]
    places = [item.get("position", place) for place, item in enumerate(items)]
    return tuple(items[index]["item_id"] for index in np.argsort(places, kind="stable"))
