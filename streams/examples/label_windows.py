"""When a task's labels are due, and the labels record that says so; corrections afterwards.

A window closes when the partition's watermark passes it. Closing only decides when labels are sent, never what they
are, so a replay with other pauses ends with the same labels.
"""

import heapq

from streams.examples.label_plan import LabelPlan
from streams.examples.records import Labels
from streams.examples.slates import Slate

__all__ = ["Deadlines", "close_due", "labels_record", "next_deadline_ms", "retained_until_ms"]

# How long a ranked slate waits to be shown, and an action for its impression.
UNSHOWN_MS = 30 * 60_000


class Deadlines:
    """Slates by the watermark at which they need attention. Entries may be stale; the slate decides."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, str]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, at_ms: int, slate: Slate) -> None:
        """Look at the slate when the watermark reaches `at_ms`."""
        heapq.heappush(self._heap, (at_ms, slate.created_at_ms, slate.key))

    @property
    def earliest_ms(self) -> int | None:
        """The watermark at which the next slate is due; None without any."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, watermark_ms: int) -> str | None:
        """The key of the earliest slate that is due, or None."""
        if self._heap and self._heap[0][0] <= watermark_ms:
            return heapq.heappop(self._heap)[2]
        return None

    def pop_oldest(self, num: int) -> list[str]:
        """Take out the `num` entries made for the oldest slates, oldest first. Costs a pass over all."""
        oldest = heapq.nsmallest(num, self._heap, key=lambda entry: entry[1:])
        taken = set(oldest)
        self._heap = [entry for entry in self._heap if entry not in taken]
        heapq.heapify(self._heap)
        return [key for _, _, key in oldest]


def next_deadline_ms(slate: Slate, plan: LabelPlan) -> int:
    """When the slate next needs attention: labels to send, or, with all closed or nothing shown, to be forgotten."""
    if not slate.shown_at_ms:
        return slate.created_at_ms + UNSHOWN_MS
    open_ms = [
        window_ms if task in slate.revisions else plan.first_ms[task]
        for task, window_ms in plan.window_ms.items()
        if task not in slate.closed
    ]
    return slate.shown_at_ms + min(open_ms) if open_ms else retained_until_ms(slate, plan)


def retained_until_ms(slate: Slate, plan: LabelPlan) -> int:
    """The slate can be forgotten when the watermark is beyond this."""
    if not slate.shown_at_ms:
        return slate.created_at_ms + UNSHOWN_MS
    return slate.shown_at_ms + max(plan.window_ms.values())


def close_due(slate: Slate, watermark_ms: int, plan: LabelPlan) -> list[str]:
    """Close the tasks whose window the watermark has passed.

    Returns, in the order of the task list, those and the tasks learned early whose labels are due for the first time.
    """
    if not slate.shown_at_ms:
        return []
    age_ms = watermark_ms - slate.shown_at_ms
    is_open = [task for task in plan.window_ms if task not in slate.closed]
    slate.closed += [task for task in is_open if plan.window_ms[task] <= age_ms]
    return [
        task
        for task in is_open
        if task in slate.closed or (plan.first_ms[task] <= age_ms and task not in slate.revisions)
    ]


def labels_record(slate: Slate, name: str, item_ids: list[str], watermark_ms: int, plan: LabelPlan) -> Labels | None:
    """The next revision of a task's labels, for the places whose label is known; None while there never was one."""
    task = plan.tasks[name]
    known = plan.known_labels(slate, task)
    if not known and name not in slate.revisions:
        return None
    slate.revisions[name] = revision = slate.revisions.get(name, 0) + 1
    open_visits = slate.open_visits.get(name, ())
    return Labels(
        slate_id=slate.slate_id,
        user_id=slate.user_id,
        task=name,
        revision=revision,
        items=[item_ids[slate.slots[place]] for place in known],
        values=list(known.values()),
        censored=[place in open_visits for place in known] if task.is_seconds else None,
        is_closed=name in slate.closed,
        shown_at_ms=slate.shown_at_ms,
        watermark_ms=watermark_ms,
    )
