"""The declared tasks as attribution needs them: windows, which tasks an event can change, and what a place's label is.

Label of a place: 0 or 1, or seconds; None where it is not known. A row of a task over given rows is known once the
task it is given came true there. Everything follows from the declarations; no name of a task is known here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from models.tasks import CLICK_TASK, LABEL_EVENTS, Task
from streams.examples.slates import Slate
from streams.settings import LabelSettings

__all__ = ["LabelPlan"]

_NO_LABELS: dict[int, float] = {}


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """`window_ms`: per task, in order. `labelled_by[type]`: tasks an event type labels or takes the label from.

    `first_ms`: per task, when its labels are first sent: with those of clicks if it is learned early, else when its
    window is over. `changed_by[type]`: these and the tasks that are given one of them, in order of the list.
    """

    tasks: Mapping[str, Task]
    window_ms: Mapping[str, int]
    first_ms: Mapping[str, int]
    labelled_by: Mapping[str, tuple[Task, ...]]
    changed_by: Mapping[str, tuple[Task, ...]]
    longest_of: Mapping[str, int | None]

    @classmethod
    def of(cls, labels: LabelSettings) -> "LabelPlan":
        """The plan of these declarations. Windows are whole milliseconds, so that all that compare them round alike."""
        tasks = labels.tasks
        by_type = {
            kind: tuple(task for task in tasks if kind in (*task.label.on, *task.label.undone_by))
            for kind in LABEL_EVENTS
        }
        window_ms = {name: round(window_s * 1000) for name, window_s in labels.windows_s.items()}
        return cls(
            tasks={task.name: task for task in tasks},
            window_ms=window_ms,
            first_ms={
                task.name: min(window_ms[task.name], window_ms[CLICK_TASK]) if task.is_early else window_ms[task.name]
                for task in tasks
            },
            labelled_by=by_type,
            changed_by={kind: _with_dependents(tasks, labelled) for kind, labelled in by_type.items()},
            longest_of={
                kind: max((window_ms[task.name] for task in labelled), default=None)
                for kind, labelled in by_type.items()
            },
        )

    def longest_ms(self, kind: str) -> int | None:
        """The longest window of the tasks that an event type labels; None when there is none."""
        return self.longest_of[kind]

    def label(self, slate: Slate, task: Task, place: int) -> float | None:
        """The label of one place as events have it by now; None where it is not known."""
        held = slate.labels.get(task.name, _NO_LABELS).get(place)
        is_judged = task.label.is_of_visits and not task.is_seconds
        given = None
        if task.given is not None and (is_judged or task.rows == "given"):
            given = self.label(slate, self.tasks[task.given], place)
        if task.rows == "given" and not given:
            return None
        if not is_judged:
            return held if task.is_seconds else held or 0.0
        if held is None:
            # Without a report nothing is known of a visit that there was, and there was none otherwise.
            return None if given else 0.0
        is_positive = task.label.holds_for(held, is_open=place in slate.open_visits.get(task.name, ()))
        return None if is_positive is None else float(is_positive)

    def known_labels(self, slate: Slate, task: Task) -> dict[int, float]:
        """The labels of all places that have a known one, by place: what `label` says of each."""
        if task.label.is_of_visits and not task.is_seconds:
            found = {place: self.label(slate, task, place) for place in range(len(slate.slots))}
            return {place: label for place, label in found.items() if label is not None}
        held = slate.labels.get(task.name, _NO_LABELS)
        places: Iterable[int] = range(len(slate.slots))
        if task.rows == "given" and task.given is not None:
            given = self.known_labels(slate, self.tasks[task.given])
            places = [place for place, label in given.items() if label]
        if task.is_seconds:
            return {place: held[place] for place in places if place in held}
        return {place: held.get(place) or 0.0 for place in places} if held else dict.fromkeys(places, 0.0)


def _with_dependents(tasks: Sequence[Task], labelled: Sequence[Task]) -> tuple[Task, ...]:
    """A task stands after the one it is given, so one pass finds all."""
    names = {task.name for task in labelled}
    for task in tasks:
        if task.given in names:
            names.add(task.name)
    return tuple(task for task in tasks if task.name in names)
