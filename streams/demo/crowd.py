"""Many shoppers at once: who does what next, in order of time. A discrete-event simulation without a clock of its own.

`advance(now_ms)` gives the events that happened until then; `answer` hands a list to the shopper who asked for it. The
number of shoppers that browse at the same time is constant, so the event rate is too.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np

from streams.demo.shoppers import Ask, Later, Pause, Resumed, Send, Session, Shown, browse
from streams.demo.world import World

__all__ = ["Crowd", "browse_virtually", "crowd_size"]

Event = dict[str, Any]

# Shoppers enter one after the other over this time, so that they do not act in step.
_ENTRY_MS = 5000
_CALIBRATION_MS = 60_000
_CALIBRATION_SHOPPERS = 40
_SOME_ITEMS = 12


class Crowd:
    """`num_active` shoppers of the world browsing at the same time, from `starts_at_ms` on."""

    def __init__(self, world: World, num_active: int, starts_at_ms: int, seed: int = 0) -> None:
        self._world, self._seed = world, seed
        self._entry_rng = np.random.default_rng([seed, 1])
        self._order = count()
        self._due: list[tuple[int, int, Session | Event | str | None]] = []
        self._waiting: dict[str, Session] = {}
        self._visits = [0] * len(world.user_ids)
        self._absent = set(range(len(world.user_ids)))
        self._user_of: dict[Session, int] = {}
        self.shown: list[Shown] = []
        for entry_ms in np.sort(self._entry_rng.integers(0, _ENTRY_MS, num_active)):
            self._push(starts_at_ms + int(entry_ms), None)

    def next_due_ms(self) -> int | None:
        """When something happens next without any answer; None when nobody does anything any more."""
        return self._due[0][0] if self._due else None

    def advance(self, now_ms: int) -> list[Event]:
        """All events up to `now_ms`, in order. `shown` grows by the lists that were put before shoppers."""
        happened: list[Event] = []
        while self._due and self._due[0][0] <= now_ms:
            at_ms, _, what = heapq.heappop(self._due)
            if what is None:
                self._run(self._enter(at_ms), None, at_ms, happened)
            elif isinstance(what, dict):
                happened.append(what)
            elif not isinstance(what, str):
                self._run(what, Resumed(at_ms), at_ms, happened)
            elif (session := self._waiting.pop(what, None)) is not None:
                self._run(session, Resumed(at_ms), at_ms, happened)
        return happened

    def answer(self, request_id: str, item_ids: Sequence[str], now_ms: int) -> list[Event]:
        """Hand the list to the shopper who asked; what they do at once. An answer that comes too late is ignored."""
        session = self._waiting.pop(request_id, None)
        happened: list[Event] = []
        if session is not None:
            self._run(session, Resumed(now_ms, item_ids), now_ms, happened)
        return happened

    def _run(self, session: Session, resumed: Resumed | None, now_ms: int, happened: list[Event]) -> None:
        """Run a session (None: from its start) until it waits for something or ends."""
        try:
            step = next(session) if resumed is None else session.send(resumed)
            while not isinstance(step, Pause | Ask):
                if isinstance(step, Send):
                    happened.append(step.event)
                elif isinstance(step, Later):
                    self._push(now_ms + step.delay_ms, step.event)
                else:
                    self.shown.append(step)
                step = session.send(Resumed(now_ms))
        except StopIteration:
            self._absent.add(self._user_of.pop(session))
            self._push(now_ms, None)
            return
        if isinstance(step, Pause):
            self._push(now_ms + step.for_ms, session)
        else:
            happened.append(step.event)
            self._waiting[step.event["request_id"]] = session
            self._push(now_ms + step.patience_ms, step.event["request_id"])

    def _enter(self, now_ms: int) -> Session:
        user = int(self._entry_rng.choice(sorted(self._absent)))
        self._absent.discard(user)
        visit = self._visits[user]
        self._visits[user] += 1
        rng = np.random.default_rng([self._seed, 2, user, visit])
        session = browse(self._world, rng, user, visit, now_ms)
        self._user_of[session] = user
        return session

    def _push(self, at_ms: int, what: Session | Event | str | None) -> None:
        heapq.heappush(self._due, (at_ms, next(self._order), what))


def browse_virtually(crowd: Crowd, until_ms: int, rank: Callable[[Event], Sequence[str]]) -> Iterator[Event]:
    """All events up to `until_ms` in virtual time, each request answered at once by `rank(request)`, best first."""
    while (due_ms := crowd.next_due_ms()) is not None and due_ms <= until_ms:
        happened = crowd.advance(due_ms)
        while happened:
            yield from happened
            asked = [event for event in happened if event["type"] == "rank"]
            happened = [e for request in asked for e in crowd.answer(request["request_id"], rank(request), due_ms)]


def crowd_size(world: World, events_per_s: float) -> int:
    """How many shoppers make `events_per_s`: found by letting a few browse in virtual time."""
    crowd = Crowd(world, min(_CALIBRATION_SHOPPERS, len(world.user_ids)), 0, seed=world.spec.seed)
    some = world.shop.item_ids[:_SOME_ITEMS]
    events = browse_virtually(
        crowd, _ENTRY_MS + _CALIBRATION_MS, lambda request: [i["item_id"] for i in request.get("items", ())] or some
    )
    num_events: int = sum(event["occurred_at_ms"] > _ENTRY_MS for event in events)
    per_shopper = num_events / (_CALIBRATION_MS / 1000) / min(_CALIBRATION_SHOPPERS, len(world.user_ids))
    return max(1, int(events_per_s / per_shopper + 0.5))
