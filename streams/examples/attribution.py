"""Which label an action gives to which place of a slate. Event time decides, never arrival.

An action at t belongs to a slate shown at s when s - lateness <= t <= s + the task's window, also when it arrives
before its impression (it waits) or after the window was closed (its labels are sent again).
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from models.tasks import Task
from streams.examples.label_plan import LabelPlan
from streams.examples.slates import Slate, Waiting

__all__ = ["MAX_SLATE_ITEMS", "ShownNow", "act", "show"]

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


def show(slate: Slate, slots: Sequence[int], at_ms: int, plan: LabelPlan, lateness_ms: int) -> ShownNow:
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
            found.changed.update(act(slate, action, plan, lateness_ms))
    return found


def act(
    slate: Slate, action: Waiting, plan: LabelPlan, lateness_ms: int, among: Container[str] | None = None
) -> set[str]:
    """Apply one action; returns the tasks whose labels changed, or those of `among` alone.

    One action can change several: those that its type labels, and those that are given one of them.
    """
    if action.slot not in slate.slots:
        # Its part of the slate may still come; a slate that never shows the item forgets it with its state.
        if len(slate.waiting) < MAX_WAITING:
            slate.waiting.append(action)
        return set()
    since_ms = action.at_ms - slate.shown_at_ms
    labelled = [task for task in plan.labelled_by[action.type] if -lateness_ms <= since_ms <= plan.window_ms[task.name]]
    if not labelled:
        return set()
    place = slate.slots.index(action.slot)
    watched = [task for task in plan.changed_by[action.type] if among is None or task.name in among]
    before = [_told(slate, task, place, plan) for task in watched]
    for task in labelled:
        if task.label.is_of_visits:
            _visit(slate, task.name, place, action)
        elif task.label.undone_by:
            _give_or_take(slate, task, place, action)
        else:
            slate.labels.setdefault(task.name, {})[place] = 1.0
    after = [_told(slate, task, place, plan) for task in watched]
    return {task.name for task, old, new in zip(watched, before, after, strict=True) if old != new}


def _told(slate: Slate, task: Task, place: int, plan: LabelPlan) -> tuple[float | None, bool]:
    """What a record says of a place: its label, and whether that is a lower bound."""
    is_open = task.is_seconds and place in slate.open_visits.get(task.name, ())
    return plan.label(slate, task, place), is_open


def _give_or_take(slate: Slate, task: Task, place: int, action: Waiting) -> None:
    """The latest event decides; of two at the same time, the one that takes back."""
    is_undone, decided_at_ms = action.type in task.label.undone_by, slate.decided_at_ms.setdefault(task.name, {})
    before_ms = decided_at_ms.get(place, -1)
    if before_ms > action.at_ms or (before_ms == action.at_ms and not is_undone):
        return
    decided_at_ms[place] = action.at_ms
    labels = slate.labels.setdefault(task.name, {})
    if is_undone:
        labels.pop(place, None)
    else:
        labels[place] = 1.0


def _visit(slate: Slate, task: str, place: int, action: Waiting) -> None:
    labels, open_visits = slate.labels.setdefault(task, {}), slate.open_visits.setdefault(task, [])
    decided_at_ms = slate.decided_at_ms.setdefault(task, {})
    # Of two heartbeats at the same time the longer one counts, whichever comes first.
    before = (decided_at_ms.get(place, -1), labels.get(place, 0.0), place not in open_visits)
    if before > (action.at_ms, action.dwell_s, action.is_final):
        return
    decided_at_ms[place] = action.at_ms
    was_open = place in open_visits
    if was_open == action.is_final:
        slate.open_visits[task] = sorted({*open_visits} - {place} if was_open else {*open_visits, place})
    labels[place] = action.dwell_s
