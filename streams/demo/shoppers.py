"""How one shopper browses: ask for a list, look at its top, open, dwell, put into the cart, order, wave away.

A session is a generator that yields what it does next and is resumed with the time (and the answer to a request), so
that the same code runs in virtual time in tests and in real time in the demo. Each session has its own random stream:
what one shopper does never depends on when another one's list arrived.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.demo.shop import CATEGORIES
from streams.demo.world import CANCEL_FRAC, World

__all__ = ["Ask", "Later", "Pause", "Resumed", "Send", "Session", "Shown", "browse"]

Event = dict[str, Any]
Int64 = NDArray[np.int64]

# Of a session's pages: lists whose candidates the site names, lists of the ranker's own, answers to a search.
_PAGE_KINDS, _PAGE_SHARES = ("shelf", "own", "search"), (0.75, 0.2, 0.05)
_SURFACE = "home"
_PAGES_MEAN = 4
_SHELF_ITEMS = 24
_PAGE_ITEMS = 12
_SEEN_AT_LEAST = 6
_PATIENCE_MS = 1500
_HEARTBEAT_S = 4.0
_DWELL_MAX_S = 30.0
_THINK_S = (0.6, 1.2)
_ORDER_DELAY_S = 8.0


@dataclass(frozen=True, slots=True)
class Send:
    """This event happens now."""

    event: Event


@dataclass(frozen=True, slots=True)
class Later:
    """This event will happen `delay_ms` from now, whatever the session does meanwhile."""

    event: Event
    delay_ms: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A rank request; resumed with its answer, or with None when `patience_ms` is over."""

    event: Event
    patience_ms: int = _PATIENCE_MS


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing happens for a while."""

    for_ms: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A list was put before the shopper. `asked`: the candidates in the site's own order; None when it named none."""

    user: int
    slate_id: str
    shown: Int64
    asked: Int64 | None
    at_ms: int
    is_answered: bool


@dataclass(frozen=True, slots=True)
class Resumed:
    """What a session is resumed with: the time, and item ids best first when it asked and was answered."""

    now_ms: int
    answer: Sequence[str] | None = None


Session = Generator[Send | Later | Ask | Pause | Shown, Resumed, None]


def browse(world: World, rng: np.random.Generator, user: int, session: int, now_ms: int) -> Session:
    """One visit of a user: a few pages. `session` counts the user's visits and makes the event ids unique."""
    shopper = _Shopper(world, rng, user, f"{world.user_ids[user]}-{session}", now_ms)
    for page in range(1 + int(rng.poisson(_PAGES_MEAN - 1))):
        yield from shopper.visit_page(page)


class _Shopper:
    def __init__(self, world: World, rng: np.random.Generator, user: int, session_id: str, now_ms: int) -> None:
        self._world, self._rng, self._user = world, rng, user
        self._session_id, self._now_ms, self._num_events = session_id, now_ms, 0

    def visit_page(self, page: int) -> Session:
        slate_id = f"{self._session_id}-{page}"
        kind = str(self._rng.choice(_PAGE_KINDS, p=_PAGE_SHARES))
        asked = self._rng.choice(self._world.shop.num_items, _SHELF_ITEMS, replace=False) if kind == "shelf" else None
        if kind == "search":
            yield Send(self._event("search", query=self._wanted_words()))
        request = self._event(
            "rank", request_id=slate_id, surface=_SURFACE, k=_SHELF_ITEMS, **self._request(kind, asked)
        )
        resumed = yield Ask(request)
        self._now_ms = resumed.now_ms
        shown = self._page(resumed.answer, asked)
        if len(shown):
            yield Shown(self._user, slate_id, shown, asked, self._now_ms, is_answered=resumed.answer is not None)
            yield from self._look_at(slate_id, shown)
        yield from self._pause(float(self._rng.uniform(*_THINK_S)))

    def _request(self, kind: str, asked: Int64 | None) -> Event:
        if asked is not None:
            ids = self._world.shop.item_ids
            return {"items": [{"item_id": ids[item], "position": place} for place, item in enumerate(asked)]}
        return {"query": self._wanted_words()} if kind == "search" else {}

    def _page(self, answer: Sequence[str] | None, asked: Int64 | None) -> Int64:
        """What the page shows: the answer; without one, the site's own order, or nothing."""
        if answer is None:
            return np.empty(0, np.int64) if asked is None else asked[:_PAGE_ITEMS]
        return np.array([int(item_id.rsplit("-", 1)[1]) for item_id in answer[:_PAGE_ITEMS]], np.int64)

    def _look_at(self, slate_id: str, shown: Int64) -> Session:
        num_seen = min(len(shown), _SEEN_AT_LEAST + int(self._rng.geometric(0.2)))
        seen_N = shown[:num_seen]
        ids = self._world.shop.item_ids
        places = [{"item_id": ids[item], "position": place} for place, item in enumerate(seen_N)]
        yield Send(self._event("impression", slate_id=slate_id, surface=_SURFACE, items=places))
        outcomes = self._world.outcomes(self._user, seen_N, self._now_ms)
        looked_N = self._rng.random(num_seen) < self._world.p_look(np.arange(num_seen))
        draws_N = self._rng.random(num_seen)
        for place in np.flatnonzero(looked_N):
            item = int(seen_N[place])
            if draws_N[place] < outcomes["click"][place]:
                yield from self._open(slate_id, item)
            elif draws_N[place] > 1.0 - outcomes["dislike"][place]:
                yield Send(self._event("dislike", item_id=ids[item], slate_id=slate_id))

    def _open(self, slate_id: str, item: int) -> Session:
        world, rng, item_N = self._world, self._rng, np.array([item])
        interest_N = world.interest(self._user, item_N, self._now_ms)
        about: Event = {"item_id": world.shop.item_ids[item], "slate_id": slate_id}
        yield from self._pause(float(rng.uniform(0.2, 0.6)))
        yield Send(self._event("click", **about))
        yield Send(self._event("view", **about))
        dwell_s = min(_DWELL_MAX_S, world.sample_dwell_s(rng, float(world.dwell_median_s(interest_N, item_N)[0])))
        yield from self._dwell(about, dwell_s)
        if rng.random() < world.p_cart(interest_N, item_N)[0]:
            price = world.shop.price_I[item]
            bought: Event = about | {"quantity": 1} | ({"price": round(float(price), 2)} if np.isfinite(price) else {})
            yield Send(self._event("cart", **bought))
            if rng.random() < world.p_order(interest_N)[0]:
                yield from self._order(about, bought)

    def _dwell(self, about: Event, dwell_s: float) -> Session:
        """Heartbeats while the item is open, then the final time."""
        spent_s = _HEARTBEAT_S
        while spent_s < dwell_s:
            yield from self._pause(_HEARTBEAT_S)
            yield Send(self._event("dwell", **about, dwell_s=round(spent_s, 2), is_final=False))
            spent_s += _HEARTBEAT_S
        yield from self._pause(dwell_s - (spent_s - _HEARTBEAT_S))
        yield Send(self._event("dwell", **about, dwell_s=round(dwell_s, 2), is_final=True))

    def _order(self, about: Event, bought: Event) -> Session:
        """The order comes after the session has gone on, and is now and then called off."""
        delay_ms = int(1000 * self._rng.gamma(2.0, _ORDER_DELAY_S / 2))
        yield self._later("order", bought, delay_ms)
        if self._rng.random() < CANCEL_FRAC:
            yield self._later("cancel", about, 2 * delay_ms)

    def _pause(self, seconds: float) -> Session:
        resumed = yield Pause(int(1000 * seconds))
        self._now_ms = resumed.now_ms

    def _wanted_words(self) -> str:
        """A query for something the user likes: the category that interests them most, among a few items."""
        items_N = self._rng.choice(self._world.shop.num_items, _SHELF_ITEMS, replace=False)
        best = items_N[np.argmax(self._world.interest(self._user, items_N, self._now_ms))]
        return CATEGORIES[self._world.shop.category_I[best]]

    def _later(self, kind: str, about: Event, delay_ms: int) -> Later:
        return Later(self._event(kind, **about) | {"occurred_at_ms": self._now_ms + delay_ms}, delay_ms)

    def _event(self, kind: str, **fields: Any) -> Event:
        self._num_events += 1
        return {
            "type": kind,
            "event_id": f"{self._session_id}:{self._num_events}",
            "user_id": self._world.user_ids[self._user],
            "session_id": self._session_id,
            "occurred_at_ms": self._now_ms,
            **fields,
        }
