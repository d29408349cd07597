"""A list to score, made from the state as it is: candidates found or given, with their features."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streams.features.capture import Captured, Request, capture
from streams.features.items import ItemTable
from streams.features.user_history import capture_history
from streams.features.user_state import UserState
from streams.ranking.candidates import CandidateIndex
from streams.ranking.task import RankTask

__all__ = ["ListCapture", "Watch"]

Watch = Callable[[UserState, ItemTable, NDArray[np.int32], int, Request, Captured], object]
# An item shown so often without a click is left out of own lists for as long as the user's answers remember it.
SHOWN_ENOUGH = 2


class ListCapture:
    """Makes scoring tasks from the state as it is. `watch` is told of every capture, at its moment."""

    def __init__(self, items: ItemTable, index: CandidateIndex, watch: Watch | None = None) -> None:
        self._items, self._index, self._watch = items, index, watch

    def captured(self, user: UserState, slots: NDArray[np.int32], now_ms: int, request: Request) -> Captured:
        """Features of `slots` for a user as of now, as `capture` has them; whoever watches sees them."""
        found = capture(user, self._items, slots, now_ms, request)
        if self._watch is not None:
            self._watch(user, self._items, slots, now_ms, request, found)
        return found

    def own_list(
        self, user: UserState, *, slate_id: str, surface: str, cause: Literal["event", "request", "model"], k: int,
        now_ms: int, watermark_ms: int, query: str = "", exclude: Sequence[int] = (), is_explained: bool = False,
    ) -> RankTask:  # fmt: skip
        """A list of candidates that we find ourselves."""
        seen = seen_slots(user)
        recent = list(dict.fromkeys(reversed(user.action_slots)))
        found = self._index.generate(self._items, recent, query=query, exclude=exclude, seen=sorted(seen))
        return self._task(user, found.slots, Request(query), slate_id=slate_id, surface=surface, cause=cause,
                          k=k, now_ms=now_ms, watermark_ms=watermark_ms, is_own=True,
                          num_matched=found.num_matched, is_explained=is_explained)  # fmt: skip

    def given_list(
        self, user: UserState, slots: NDArray[np.int32], request: Request, *, slate_id: str, surface: str, k: int,
        now_ms: int, watermark_ms: int, is_explained: bool = False,
    ) -> RankTask:  # fmt: skip
        """The items that a request names; all of them come back."""
        return self._task(user, slots, request, slate_id=slate_id, surface=surface, cause="request", k=k,
                          now_ms=now_ms, watermark_ms=watermark_ms, is_own=False,
                          is_explained=is_explained)  # fmt: skip

    def _task(
        self, user: UserState, slots: NDArray[np.int32], request: Request, *, now_ms: int, **named: Any
    ) -> RankTask:
        captured = self.captured(user, slots, now_ms, request)
        seen = seen_slots(user)
        return RankTask(
            user_id=user.user_id,
            slots=slots,
            user_U=captured.user_U,
            item_NI=captured.item_NI,
            cross_NX=captured.cross_NX,
            history=capture_history(user, now_ms),
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
