"""Why the first items of a list are there, as published with it when a request asks (record.py says what it means).

It is a second look at the items that were chosen, by the version that chose them; lists that nobody asked about pay
nothing for it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streams.features.items import ItemTable
from streams.ranking.record import Explanation, ItemExplanation, PastAnswer
from streams.ranking.scorer import Serving
from streams.ranking.task import RankTask
from streams.ranking.value_model import ValueModel

__all__ = ["MAX_EXPLAINED", "explanation"]

# Items explained, from the first: a record must stay far below what a topic takes.
MAX_EXPLAINED = 20
PUBLISHED_DIGITS = 8
ANSWERS = {1: "clicked", 0: "passed", -1: "disliked"}


def explanation(
    task: RankTask, items: ItemTable, serving: Serving, model: ValueModel, rows: Sequence[int]
) -> Explanation | None:
    """Of the items at `rows` of the task, best first. None without a model."""
    chosen = _of_rows(task, rows[:MAX_EXPLAINED])
    found = serving.explain(chosen, items)
    if found is None:
        return None
    bid_N = items.bid[chosen.slots]
    value_N = model.values(found.predictions, bid_N)
    lost = {group: value_N - model.values(without, bid_N) for group, without in found.without.items()}
    taste_N = found.taste_NA.sum(1, dtype=np.float64)
    # Without a taste layer answers say nothing, and are left out.
    num_answers, history = found.taste_NA.shape[1], task.history
    answers = zip(history.answer_A[:num_answers].tolist(), history.answer_y_A[:num_answers].tolist(), strict=True)
    return Explanation(
        answers=[
            PastAnswer.model_validate({"item_id": items.item_ids[slot], "answer": ANSWERS[int(y)]})
            for slot, y in answers
        ],
        items=[
            ItemExplanation(
                item_id=items.item_ids[slot],
                groups={group: _published(lost_N[n]) for group, lost_N in lost.items()},
                taste=_published(taste_N[n]),
                taste_by_group=dict(zip(found.taste_groups, map(_published, found.taste_NG[n]), strict=True)),
                taste_by_answer=[_published(part) for part in found.taste_NA[n]],
            )
            for n, slot in enumerate(chosen.slots.tolist())
        ],
    )


def _of_rows(task: RankTask, rows: Sequence[int]) -> RankTask:
    """The same for some of its items."""
    kept = list(rows)
    columns = ("slots", "item_NI", "cross_NX", "fallback_N", "seen_N")
    return replace(task, **{name: getattr(task, name)[kept] for name in columns})


def _published(value: np.floating) -> float:
    return round(float(value), PUBLISHED_DIGITS)
