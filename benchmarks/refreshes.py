"""Which action led to which refreshed list, and how long it took: from the records on the topics alone.

A list covers the actions of its user that its partition had processed: those that happened up to its
`features_as_of_ms`, as a live site sends in order of time. The first action that no list before covered triggered it;
the others were merged into that turn. Times are Kafka's append times, so nothing rests on how fast anybody reads.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Refresh", "Refreshed", "Trigger", "match"]


class Trigger(NamedTuple):
    """An action that makes its user's list stale. Times in milliseconds; `appended_ms` is Kafka's."""

    user_id: str
    occurred_ms: int
    appended_ms: int


class Refresh(NamedTuple):
    """A list that was published unasked: for an event, or for a new model."""

    user_id: str
    appended_ms: int
    scored_ms: int
    as_of_ms: int
    is_of_event: bool


@dataclass(slots=True)
class Refreshed:
    """Every trigger is listed, coalesced or shed; times in milliseconds.

    `prompt_ms`: append of the trigger to append of the list, of triggers that nothing but the worker kept waiting.
    `after_turn_ms`: of those that waited for the user's interval, counted from the moment their turn came.
    `coalesced`: merged into a waiting turn. `shed`: too old when taken, or never answered. `listed`: led to a
    list; `listed_wait_ms`: of each of them, from its append to the list's.
    """

    prompt_ms: list[int] = field(default_factory=list)
    after_turn_ms: list[int] = field(default_factory=list)
    coalesced: list[Trigger] = field(default_factory=list)
    shed: list[Trigger] = field(default_factory=list)
    listed: list[Trigger] = field(default_factory=list)
    listed_wait_ms: list[int] = field(default_factory=list)

    @property
    def num_triggers(self) -> int:
        """All together."""
        return len(self.listed) + len(self.coalesced) + len(self.shed)


def match(
    triggers: Iterable[Trigger], refreshes: Iterable[Refresh], *, interval_ms: int, max_delay_ms: int
) -> Refreshed:
    """Match each user's triggers with the lists of one surface. Both in order of their partitions."""
    lists: dict[str, list[Refresh]] = defaultdict(list)
    for refresh in refreshes:
        lists[refresh.user_id].append(refresh)
    actions: dict[str, list[Trigger]] = defaultdict(list)
    for trigger in triggers:
        actions[trigger.user_id].append(trigger)
    found = Refreshed()
    for user_id, of_user in actions.items():
        _match_user(of_user, lists.get(user_id, ()), found, interval_ms, max_delay_ms)
    return found


def _match_user(
    triggers: Sequence[Trigger], refreshes: Sequence[Refresh], found: Refreshed, interval_ms: int, max_delay_ms: int
) -> None:
    place, free_ms = 0, 0
    for refresh in refreshes:
        first: Trigger | None = None
        while refresh.is_of_event and place < len(triggers) and triggers[place].occurred_ms <= refresh.as_of_ms:
            trigger = triggers[place]
            place += 1
            turn_ms = max(trigger.appended_ms, free_ms)
            if first is not None:
                found.coalesced.append(trigger)
            elif refresh.scored_ms - turn_ms > max_delay_ms:
                found.shed.append(trigger)
            else:
                first = trigger
                found.listed.append(trigger)
                found.listed_wait_ms.append(refresh.appended_ms - trigger.appended_ms)
                waits = found.prompt_ms if turn_ms == trigger.appended_ms else found.after_turn_ms
                waits.append(refresh.appended_ms - turn_ms)
        free_ms = refresh.scored_ms + interval_ms
    found.shed += triggers[place:]
