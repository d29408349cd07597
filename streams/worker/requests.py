"""Lists to score: a rank request where it stands in the stream, or a refresh of a user's surface. Features included."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streams.examples.label_windows import next_deadline_ms
from streams.examples.slates import Slate, slate_key
from streams.features.capture import Request, capture
from streams.features.items import ItemTable
from streams.features.user_state import UserState
from streams.ranking.candidates import CandidateIndex
from streams.ranking.task import RankTask
from streams.worker.moment import Moment
from streams.worker.outputs import DueRank

__all__ = ["ListCapture", "on_rank"]

# An item shown so often without a click is left out of own lists for as long as the user's answers remember it.
SHOWN_ENOUGH = 2


class ListCapture:
    """Makes scoring tasks from the state as it is."""

    def __init__(self, items: ItemTable, index: CandidateIndex) -> None:
        self._items, self._index = items, index

    def own_list(
        self, user: UserState, *, slate_id: str, surface: str, cause: Literal["event", "request", "model"], k: int,
        now_ms: int, watermark_ms: int, query: str = "", exclude: Sequence[int] = (),
    ) -> RankTask:  # fmt: skip
        """A list of candidates that we find ourselves."""
        seen = seen_slots(user)
        recent = list(dict.fromkeys(reversed(user.action_slots)))
        found = self._index.generate(self._items, recent, query=query, exclude=exclude, seen=sorted(seen))
        return self._task(user, found.slots, Request(query), slate_id=slate_id, surface=surface, cause=cause,
                          k=k, now_ms=now_ms, watermark_ms=watermark_ms, is_own=True,
                          num_matched=found.num_matched)  # fmt: skip

    def given_list(
        self, user: UserState, slots: NDArray[np.int32], request: Request, *, slate_id: str, surface: str, k: int,
        now_ms: int, watermark_ms: int,
    ) -> RankTask:  # fmt: skip
        """The items that a request names; all of them come back."""
        return self._task(user, slots, request, slate_id=slate_id, surface=surface, cause="request", k=k,
                          now_ms=now_ms, watermark_ms=watermark_ms, is_own=False)  # fmt: skip

    def _task(
        self, user: UserState, slots: NDArray[np.int32], request: Request, *, now_ms: int, **named: Any
    ) -> RankTask:
        captured = capture(user, self._items, slots, now_ms, request)
        seen = seen_slots(user)
        return RankTask(
            user_id=user.user_id,
            slots=slots,
            user_U=captured.user_U,
            item_NI=captured.item_NI,
            cross_NX=captured.cross_NX,
            fallback_N=captured.fallback_N,
            seen_N=np.array([slot in seen for slot in slots.tolist()], np.bool_),
            features_as_of_ms=now_ms,
            **named,
        )


def seen_slots(user: UserState) -> set[int]:
    """Items the user clicked lately, or was shown often enough."""
    shown: dict[int, int] = {}
    clicked = set[int]()
    for answers in user.answers:
        for slot, value in zip(answers.slots, answers.clicked, strict=True):
            shown[slot] = shown.get(slot, 0) + 1
            if value:
                clicked.add(slot)
    return clicked | {slot for slot, num in shown.items() if num >= SHOWN_ENOUGH}


def on_rank(now: Moment, event: Mapping[str, Any]) -> None:
    """A request for a list: captured here, scored with the rest of the chunk."""
    state, user, items = now.state, now.user, now.state.items
    user.touch(now.at_ms, event.get("session_id"))
    excluded = {items.slot(item_id) for item_id in event.get("exclude", ())}
    named = event.get("items")
    query = event.get("query", "")
    place = {
        "slate_id": event["request_id"], "surface": event["surface"], "now_ms": now.at_ms,
        "watermark_ms": now.watermark_ms,
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
    now.out.ranks.append(DueRank(task, now.appended_at_ms, event.get("deadline_ms")))
    state.changed(user)


def _remember(now: Moment, event: Mapping[str, Any], query: str, relevance: dict[int, float]) -> None:
    """The impression that follows is captured with the query and relevance it was ranked with."""
    key = slate_key(now.user.user_id, event["request_id"])
    slate = now.state.slates.get(key)
    if slate is None:
        slate = Slate(now.user.user_id, event["request_id"], now.at_ms, event["surface"])
        now.state.deadlines.add(next_deadline_ms(slate, now.state.windows_s), key)
    slate.query, slate.relevance = query, relevance
    now.state.slate_changed(slate)
