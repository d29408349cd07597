"""When a user's surface is ranked again: at most once an interval, triggers in between coalesced, late ones shed.

Pure: times are arguments, in wall-clock milliseconds. The shed rule: a trigger that is older than `rerank_max_delay_s`
(since its append) when it arrives here is dropped and counted, and so is one still not taken so long after its turn
came. Under overload labels and requests go first, and the user's next action triggers again: nothing is due while
events wait for longer than BEHIND_MS. Waiting for the interval is no delay: it never sheds.

Of what users did, the newest goes first (adaptive LIFO; Maurer, "Fail at Scale", ACM Queue 2015): when there is more to
do than can be done, the oldest first would make every list nearly as late as the shed rule allows.
"""

import heapq
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from streams.settings import RankingSettings

__all__ = ["DueRerank", "RerankSchedule"]

Key = tuple[str, str]
# Events that came so late mean that more of them wait, and requests among them. Less is what flushes cost a busy worker
# that keeps up: with .1 s it made 6 to 12 lists a second beside some 750 events, with 2 s 40, and was as far behind.
BEHIND_MS = 1000
# For so long after late events, if none come that are not late.
HOLD_MS = 100


@dataclass(frozen=True, slots=True)
class DueRerank:
    """A surface to rank now. `appended_at_ms`: of the first trigger since it was last ranked."""

    user_id: str
    surface: str
    cause: Literal["event", "model"]
    appended_at_ms: int


class RerankSchedule:
    """Triggers in, due surfaces out: what users did first, then what a new model made stale.

    Memory: surfaces ranked within the interval, those that wait, what triggered them within the delay, and the active
    users, whose number is bounded.
    """

    def __init__(self, settings: RankingSettings) -> None:
        self.num_coalesced = 0
        self.num_shed = 0
        self._interval_ms = round(settings.rerank_interval_s * 1000)
        self._max_delay_ms = round(settings.rerank_max_delay_s * 1000)
        self._active_max = settings.rerank_active_users
        self._active: OrderedDict[str, dict[str, None]] = OrderedDict()
        self._ranked_at_ms: OrderedDict[Key, int] = OrderedDict()
        self._waiting: dict[Key, DueRerank] = {}
        # Turns to come, by their time; then those that have come, the longest waiting first.
        self._turns: dict[str, list[tuple[int, int, DueRerank]]] = {"event": [], "model": []}
        self._ready: dict[str, deque[tuple[int, DueRerank]]] = {"event": deque(), "model": deque()}
        self._num_turns = 0
        self._behind_until_ms = 0

    def chunk_taken(self, appended_at_ms: int, now_ms: int) -> None:
        """Events were applied, the last of them appended then: late ones hold refreshes back until no more come."""
        is_behind = now_ms - appended_at_ms > BEHIND_MS
        self._behind_until_ms = now_ms + HOLD_MS if is_behind else now_ms

    def trigger(self, user_id: str, surface: str, appended_at_ms: int, now_ms: int) -> None:
        """The user did something that makes the surface stale."""
        self._note_active(user_id, surface)
        waiting = self._waiting.get((user_id, surface))
        if now_ms - appended_at_ms > self._max_delay_ms:
            self.num_shed += 1
        elif waiting is not None and waiting.cause == "event":
            self.num_coalesced += 1
            if self._due_at_ms((user_id, surface), now_ms) == now_ms:
                # The turn has come and the user is still there: it counts from now.
                self._wait(replace(waiting), now_ms)
        else:
            self._wait(DueRerank(user_id, surface, "event", appended_at_ms), now_ms)

    def model_changed(self, now_ms: int) -> None:
        """A new model serves: rank the surfaces of the most recently active users again, the latest first."""
        for user_id in islice(reversed(self._active), self._active_max):
            for surface in self._active[user_id]:
                if (user_id, surface) not in self._waiting:
                    self._wait(DueRerank(user_id, surface, "model", now_ms), now_ms)

    def due(self, now_ms: int, limit: int | None = None) -> list[DueRerank]:
        """Surfaces whose turn has come, at most `limit`, the newest first; the rest stay due until they are too old."""
        found: list[DueRerank] = []
        if now_ms < self._behind_until_ms:
            return found
        for cause, ready in self._ready.items():
            self._come(cause, now_ms)
            while ready and (limit is None or len(found) < limit):
                # The latest user of a new model stands first.
                _, rerank = ready.pop() if cause == "event" else ready.popleft()
                key = (rerank.user_id, rerank.surface)
                # A turn that was taken over or forgotten is no longer what waits.
                if self._waiting.get(key) is not rerank:
                    continue
                del self._waiting[key]
                self._ranked_at_ms[key] = now_ms
                self._ranked_at_ms.move_to_end(key)
                found.append(rerank)
        self._expire(now_ms)
        return found

    def forget(self, user_id: str) -> None:
        """Nothing is due for this user any more."""
        for surface in self._active.pop(user_id, ()):
            self._waiting.pop((user_id, surface), None)
            self._ranked_at_ms.pop((user_id, surface), None)

    def _note_active(self, user_id: str, surface: str) -> None:
        self._active.setdefault(user_id, {})[surface] = None
        self._active.move_to_end(user_id)

    def _wait(self, rerank: DueRerank, now_ms: int) -> None:
        key = (rerank.user_id, rerank.surface)
        self._waiting[key] = rerank
        self._num_turns += 1
        heapq.heappush(self._turns[rerank.cause], (self._due_at_ms(key, now_ms), self._num_turns, rerank))

    def _due_at_ms(self, key: Key, now_ms: int) -> int:
        last_ms = self._ranked_at_ms.get(key)
        return now_ms if last_ms is None else max(now_ms, last_ms + self._interval_ms)

    def _come(self, cause: str, now_ms: int) -> None:
        """Turns whose time it is become ready; those of events that have been so for too long are shed."""
        turns, ready = self._turns[cause], self._ready[cause]
        while turns and turns[0][0] <= now_ms:
            due_at_ms, _, rerank = heapq.heappop(turns)
            ready.append((due_at_ms, rerank))
        while cause == "event" and ready and now_ms - ready[0][0] > self._max_delay_ms:
            _, rerank = ready.popleft()
            key = (rerank.user_id, rerank.surface)
            if self._waiting.get(key) is rerank:
                del self._waiting[key]
                self.num_shed += 1

    def _expire(self, now_ms: int) -> None:
        while self._ranked_at_ms:
            key, at_ms = next(iter(self._ranked_at_ms.items()))
            if now_ms - at_ms < self._interval_ms:
                break
            del self._ranked_at_ms[key]
        while len(self._active) > self._active_max:
            user_id, surfaces = next(iter(self._active.items()))
            if any((user_id, surface) in self._waiting for surface in surfaces):
                break
            del self._active[user_id]
