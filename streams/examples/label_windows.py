"""When a task's label window is over, and the labels record that says so; corrections afterwards.

A window closes when the partition's watermark passes it. Closing only decides when labels are sent, never what they
are, so a replay with other pauses ends with the same labels.
"""

import heapq
from collections.abc import Mapping

from streams.examples.records import Labels
from streams.examples.slates import Slate

__all__ = ["Deadlines", "close_due", "labels_record", "next_deadline_ms", "retained_until_ms", "window_ms"]

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


def window_ms(windows_s: Mapping[str, float], task: str) -> int:
    """A task's window in whole milliseconds: everything that compares windows must round alike."""
    return round(windows_s[task] * 1000)


def next_deadline_ms(slate: Slate, windows_s: Mapping[str, float]) -> int:
    """When the slate next needs attention: a task to close, or, with all closed or nothing shown, to be forgotten."""
    if not slate.shown_at_ms:
        return slate.created_at_ms + UNSHOWN_MS
    open_ms = [window_ms(windows_s, task) for task in windows_s if task not in slate.closed]
    return slate.shown_at_ms + min(open_ms) if open_ms else retained_until_ms(slate, windows_s)


def retained_until_ms(slate: Slate, windows_s: Mapping[str, float]) -> int:
    """The slate can be forgotten when the watermark is beyond this."""
    if not slate.shown_at_ms:
        return slate.created_at_ms + UNSHOWN_MS
    return slate.shown_at_ms + max(window_ms(windows_s, task) for task in windows_s)


def close_due(slate: Slate, watermark_ms: int, windows_s: Mapping[str, float]) -> list[str]:
    """Close the tasks whose window the watermark has passed; returns them in the order of the task list."""
    if not slate.shown_at_ms:
        return []
    due = [
        task
        for task in windows_s
        if task not in slate.closed and slate.shown_at_ms + window_ms(windows_s, task) <= watermark_ms
    ]
    slate.closed += due
    return due


def labels_record(slate: Slate, task: str, item_ids: list[str], watermark_ms: int) -> Labels | None:
    """The next revision of a task's labels; None for dwell without any visit.

    Dwell labels cover the clicked places with a visit reported; other tasks cover all places.
    """
    labels = slate.labels.get(task, {})
    if task == "dwell":
        clicked = slate.labels.get("click", {})
        places = [place for place in sorted(labels) if place in clicked]
        if not places and task not in slate.revisions:
            return None
    else:
        places = list(range(len(slate.slots)))
    slate.revisions[task] = revision = slate.revisions.get(task, 0) + 1
    return Labels(
        slate_id=slate.slate_id,
        user_id=slate.user_id,
        task=task,
        revision=revision,
        items=[item_ids[slate.slots[place]] for place in places],
        values=[labels.get(place, 0.0) for place in places],
        censored=[place in slate.open_visits for place in places] if task == "dwell" else None,
        shown_at_ms=slate.shown_at_ms,
        watermark_ms=watermark_ms,
    )
