"""Which label an action gives to which place of a slate. Event time decides, never arrival.

An action at t belongs to a slate shown at s when s - lateness <= t <= s + the task's window, also when it arrives
before its impression (it waits) or after the window was closed (its labels are sent again).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.examples.label_windows import window_ms
from streams.examples.slates import Slate, Waiting

__all__ = ["TASK_OF_TYPE", "ShownNow", "act", "show"]

# The task that an event type labels. A cancel takes the order's label back.
TASK_OF_TYPE: Mapping[str, str] = {
    "click": "click",
    "dwell": "dwell",
    "cart": "cart",
    "order": "order",
    "cancel": "order",
    "dislike": "dislike",
}
# Actions kept for a slate not seen yet; a flood beyond it is not worth remembering.
MAX_WAITING = 200
# A page without end may keep one slate id for hours. With ids of 256 bytes a record of so many items and their labels
# is about 1 MB, half of what Kafka takes; and it is written anew with every part that is shown.
MAX_SLATE_ITEMS = 2000


@dataclass(frozen=True, slots=True)
class ShownNow:
    """What an impression added. `beyond`: slots that the full slate has no place for; it remembers nothing of them."""

    places: list[int] = field(default_factory=list)
    beyond: list[int] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)


def show(slate: Slate, slots: Sequence[int], at_ms: int, windows_s: Mapping[str, float], lateness_ms: int) -> ShownNow:
    """Add what an impression shows: new places, and the tasks that waiting actions labelled."""
    first, known = len(slate.slots), set(slate.slots)
    new = [slot for slot in dict.fromkeys(slots) if slot not in known]
    room = max(MAX_SLATE_ITEMS - first, 0)
    slate.slots += new[:room]
    found = ShownNow(list(range(first, len(slate.slots))), new[room:])
    if found.places:
        slate.num_parts += 1
    if not slate.shown_at_ms:
        slate.shown_at_ms = at_ms
    known.update(new[:room])
    waiting = slate.waiting
    slate.waiting = [action for action in waiting if action.slot not in known]
    for action in waiting:
        if action.slot in known:
            found.changed.update(act(slate, action, windows_s, lateness_ms))
    return found


def act(slate: Slate, action: Waiting, windows_s: Mapping[str, float], lateness_ms: int) -> set[str]:
    """Apply one action; returns the tasks whose labels changed.

    A click can change two: dwell of a place is a label only once the place was clicked.
    """
    if action.slot not in slate.slots:
        # Its part of the slate may still come; a slate that never shows the item forgets it with its state.
        if len(slate.waiting) < MAX_WAITING:
            slate.waiting.append(action)
        return set()
    task = TASK_OF_TYPE[action.type]
    since_ms = action.at_ms - slate.shown_at_ms
    if task not in windows_s or not -lateness_ms <= since_ms <= window_ms(windows_s, task):
        return set()
    place = slate.slots.index(action.slot)
    labels = slate.labels.setdefault(task, {})
    if action.type == "dwell":
        return {task} if _dwell(slate, labels, place, action) else set()
    if task == "order":
        return {task} if _order(slate, labels, place, action) else set()
    if place in labels:
        return set()
    labels[place] = 1.0
    return {task, "dwell"} if task == "click" and place in slate.labels.get("dwell", ()) else {task}


def _order(slate: Slate, labels: dict[int, float], place: int, action: Waiting) -> bool:
    """The latest of orders and cancels decides; of two at the same time, the cancel."""
    is_cancel, before_ms = action.type == "cancel", slate.order_at_ms.get(place, -1)
    if before_ms > action.at_ms or (before_ms == action.at_ms and not is_cancel):
        return False
    slate.order_at_ms[place] = action.at_ms
    had_label = labels.pop(place, None) is not None
    if not is_cancel:
        labels[place] = 1.0
    return had_label == is_cancel


def _dwell(slate: Slate, labels: dict[int, float], place: int, action: Waiting) -> bool:
    # Of two heartbeats at the same time the longer one counts, whichever comes first.
    before = (slate.dwell_at_ms.get(place, -1), labels.get(place, 0.0), place not in slate.open_visits)
    if before > (action.at_ms, action.dwell_s, action.is_final):
        return False
    slate.dwell_at_ms[place] = action.at_ms
    was_open = place in slate.open_visits
    if was_open == action.is_final:
        slate.open_visits = sorted({*slate.open_visits, place} if not was_open else {*slate.open_visits} - {place})
    is_changed = labels.get(place) != action.dwell_s or was_open == action.is_final
    labels[place] = action.dwell_s
    return is_changed
