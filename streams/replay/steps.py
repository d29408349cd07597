"""Cuts a log into steps for a lock-step run: some items, then events that begin at most so many lists.

A step ends before the list that would be one too many, and before items that come after events: whatever a list is
scored with was decided before its step began.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.events.checked_log import CheckedRecord
from streams.replay.evaluation import Evaluation
from streams.replay.ranked_lists import RankedList

__all__ = ["LISTS_PER_STEP", "Step", "cut_steps"]

# A fine-tune round takes as many slates, so about one round falls due between two steps.
LISTS_PER_STEP = 64
# A log of events that ask for no list still moves on now and then.
_MAX_EVENTS = 5_000


@dataclass(slots=True)
class Step:
    """Items to apply first; then events to send, in order; `lists` begin among them."""

    items: list[CheckedRecord] = field(default_factory=list)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    lists: list[RankedList] = field(default_factory=list)


def cut_steps(
    records: Iterable[CheckedRecord], evaluation: Evaluation, lists_per_step: int = LISTS_PER_STEP
) -> Iterator[Step]:
    """The steps of a log, in order. Refused records are left out; the evaluation takes every event on the way."""
    step = Step()
    for record in records:
        if record.refusal is not None:
            continue
        if record.topic == "catalogue":
            if step.events:
                yield step
                step = Step()
            step.items.append(record)
            continue
        events, begun = evaluation.take_event(record.value)
        if len(step.lists) + (begun is not None) > lists_per_step or len(step.events) >= _MAX_EVENTS:
            yield step
            step = Step()
        step.events += events
        if begun is not None:
            step.lists.append(begun)
    if step.items or step.events:
        yield step
