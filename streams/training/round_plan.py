"""Which slates of a round are learned first, and which only judge the challenger. Pure.

Several entries of one slate become one. Labels that correct what was learned before are learned again, but never
judge and never calibrate: the rows they belong to have been seen. Tasks learned early (`early`) are seen by all: what
of them is new, and what final, is decided where the batch is made (examples_to_batch.py).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from streams.training.buffered_slate import FIRST_TASK, ReadySlate
from streams.training.user_cap import cap_users

__all__ = ["MIN_CLICKS", "RoundPlan", "first_labels", "plan_round"]

# Fewer clicks cannot tell a good model from a broken one; the judging part grows up to half of the round to have them.
MIN_CLICKS = 5
MAX_JUDGE_FRAC = 0.5


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """Slates to learn, then slates to judge on and to learn afterwards; both oldest first.

    `num_capped`: slates left out, as their users have far more than others.
    """

    learned: list[ReadySlate]
    judged: list[ReadySlate]
    num_capped: int = 0


def plan_round(entries: Sequence[ReadySlate], judge_frac: float, early: Collection[str] = ()) -> RoundPlan:
    """The newest `judge_frac` of the slates with first labels judge; the rest, and mere corrections, are learned."""
    merged = _merged(entries)
    slates = cap_users(merged)
    places = [place for place, slate in enumerate(slates) if _first_tasks(slate, early)]
    most = int(len(places) * MAX_JUDGE_FRAC)
    num = min(max(1, int(len(places) * judge_frac)), most)
    while num < most and _num_clicks(slates[place] for place in places[-num:]) < MIN_CLICKS:
        num += 1
    judging = set(places[len(places) - num :])
    return RoundPlan(
        learned=[slate for place, slate in enumerate(slates) if place not in judging],
        judged=[slate for place, slate in enumerate(slates) if place in judging],
        num_capped=len(merged) - len(slates),
    )


def first_labels(slates: Iterable[ReadySlate], early: Collection[str] = ()) -> list[ReadySlate]:
    """The slates with only those tasks whose labels are new; slates without such a task are left out."""
    return [replace(slate, tasks=tasks) for slate in slates if (tasks := _first_tasks(slate, early))]


def _merged(entries: Sequence[ReadySlate]) -> list[ReadySlate]:
    """One entry per slate, at the place of its oldest."""
    found: dict[tuple[str, str], ReadySlate] = {}
    for entry in entries:
        name = (entry.slate.user_id, entry.slate.slate_id)
        known = found.get(name)
        found[name] = entry if known is None else replace(known, tasks=tuple(sorted({*known.tasks, *entry.tasks})))
    return list(found.values())


def _first_tasks(slate: ReadySlate, early: Collection[str]) -> tuple[str, ...]:
    return tuple(task for task in slate.tasks if task in early or slate.slate.labels[task].revision <= 1)


def _num_clicks(slates: Iterable[ReadySlate]) -> int:
    return sum(
        value > 0
        for slate in slates
        if FIRST_TASK in _first_tasks(slate, ())
        for value in slate.slate.labels[FIRST_TASK].values
    )
