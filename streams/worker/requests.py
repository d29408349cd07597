"""A rank request where it stands in the stream: its list is captured with the state of that moment."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from streams.examples.label_windows import next_deadline_ms
from streams.examples.slates import Slate, slate_key
from streams.features.capture import Request
from streams.worker.moment import Moment
from streams.worker.outputs import DueRank

__all__ = ["on_rank"]


def on_rank(now: Moment, event: Mapping[str, Any]) -> None:
    """A request for a list: captured here, scored with the rest of the chunk."""
    state, user, items = now.state, now.user, now.state.items
    excluded = {slot for slot in map(items.find, event.get("exclude", ())) if slot is not None}
    named = event.get("items")
    query = event.get("query", "")
    place = {
        "slate_id": event["request_id"], "surface": event["surface"], "now_ms": now.at_ms,
        "watermark_ms": now.watermark_ms, "is_explained": event.get("explain", False),
    }  # fmt: skip
    if named is None:
        k = event.get("k", now.settings.ranking.k)
        task = now.lists.own_list(user, cause="request", k=k, query=query, exclude=sorted(excluded), **place)
        relevance: dict[int, float] = {}
    else:
        slots = list(dict.fromkeys(s for s in (items.slot(i["item_id"]) for i in named) if s not in excluded))
        relevance = {items.slot(i["item_id"]): i["relevance"] for i in named if i.get("relevance")}
        k = event.get("k", len(slots))
        task = now.lists.given_list(user, np.array(slots, np.int32), Request(query, relevance), k=k, **place)
    if query or relevance:
        _remember(now, event, query, relevance)
    user.note_surface(event["surface"])
    now.out.ranks.append(DueRank(task, now.appended_at_ms, event.get("deadline_ms")))
    state.changed(user)


def _remember(now: Moment, event: Mapping[str, Any], query: str, relevance: dict[int, float]) -> None:
    """The impression that follows is captured with the query and relevance it was ranked with."""
    key = slate_key(now.user.user_id, event["request_id"])
    slate = now.state.slates.get(key)
    if slate is None:
        slate = Slate(now.user.user_id, event["request_id"], now.at_ms, event["surface"])
        now.state.deadlines.add(next_deadline_ms(slate, now.state.plan), slate)
    slate.query, slate.relevance = query, relevance
    now.state.slate_changed(slate)
