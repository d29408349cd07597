"""How far the values of own lists are known: their change if the user liked an item one deviation more than is known.

Only the first rows of a list are asked about: as many as it has places, and as many again as compete for one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.features.items import ItemTable
from streams.ranking.scorer import ScoredLists
from streams.ranking.slate import by_place
from streams.ranking.task import RankTask
from streams.ranking.thompson import MAX_CONTENDERS
from streams.ranking.value_model import ValueModel

__all__ = ["deviations"]

Float64 = NDArray[np.float64]
NO_ROWS = np.zeros(0, np.intp)


def deviations(
    tasks: Sequence[RankTask],
    scored: ScoredLists,
    values: Sequence[Float64],
    tiers: Sequence[NDArray[np.int8]],
    *,
    items: ItemTable,
    model: ValueModel,
) -> list[Float64 | None]:
    """float64[N] of each own list, 0 for rows that are not asked about; None for other lists and without a model."""
    rows = [
        by_place(value_N, tier_N)[: task.k + MAX_CONTENDERS] if task.is_own else NO_ROWS
        for task, value_N, tier_N in zip(tasks, values, tiers, strict=True)
    ]
    raised = scored.raised(rows) if any(map(len, rows)) else None
    if raised is None:
        return [None] * len(tasks)
    found: list[Float64 | None] = []
    for task, value_N, row_R, raised_R in zip(tasks, values, rows, raised, strict=True):
        deviation_N = np.zeros(len(value_N))
        deviation_N[row_R] = np.abs(model.values(raised_R, items.bid[task.slots[row_R]]) - value_N[row_R])
        found.append(deviation_N if task.is_own else None)
    return found
