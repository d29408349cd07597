"""From captured features to lists: score all tasks at once, value, select, record. Touches no stream and no clock."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.features.catalogue import KINDS
from streams.features.items import ItemTable
from streams.ranking.explanation import explanation
from streams.ranking.record import MadeList, RankingRecord
from streams.ranking.scorer import Float32, Scorer
from streams.ranking.slate import Selection, seeded_uniform, select_given, select_own, tiers
from streams.ranking.task import RankTask
from streams.ranking.uncertainty import deviations
from streams.ranking.value_model import ValueModel
from streams.settings import RankingSettings, Settings

__all__ = ["rank"]

Float64 = NDArray[np.float64]
# Digits after the point in a record: finer than float32 predictions are right, and half the bytes of all digits.
PUBLISHED_DIGITS = 8


def rank(
    tasks: Sequence[RankTask], items: ItemTable, scorer: Scorer, settings: Settings, scored_at_ms: int
) -> list[MadeList]:
    """One list per task, in order. A task's list does not depend on its neighbours, but for float rounding."""
    serving, weights = scorer.serving, settings.score_weights
    model = ValueModel(weights)
    scored = serving.score(tasks, items)
    values = [model.values(one, items.bid[task.slots]) for task, one in zip(tasks, scored.predictions, strict=True)]
    tiers_of = [_tiers(task, items) for task in tasks]
    known: list[Float64 | None] = [None] * len(tasks)
    if settings.ranking.explore_frac > 0:
        known = deviations(tasks, scored, values, tiers_of, items=items, model=model)
    made = []
    of_lists = zip(tasks, scored.predictions, values, tiers_of, known, strict=True)
    for task, predictions, value_N, tier_N, deviation_N in of_lists:
        selection = _select(task, items, value_N, tier_N, deviation_N=deviation_N, settings=settings.ranking)
        slots = task.slots[selection.rows]
        why = explanation(task, items, serving, model, selection.rows) if task.is_explained else None
        record: RankingRecord = {
            "slate_id": task.slate_id,
            "user_id": task.user_id,
            "surface": task.surface,
            "items": _places(items, slots, value_N[selection.rows], predictions, selection.rows),
            "model_version": serving.version,
            "features_as_of_ms": task.features_as_of_ms,
            "watermark_ms": task.watermark_ms,
            "scored_at_ms": scored_at_ms,
            "cause": task.cause,
            "score_weights": weights,
            "policy": selection.policy,
            "propensity": selection.propensity,
            "explanation": None if why is None else why.model_dump(),
        }
        made.append(MadeList(slots.tolist(), record))
    return made


def _tiers(task: RankTask, items: ItemTable) -> NDArray[np.int8]:
    return tiers(items.is_known[task.slots] & items.in_stock[task.slots], task.seen_N, task.num_matched)


def _select(
    task: RankTask,
    items: ItemTable,
    value_N: Float64,
    tier_N: NDArray[np.int8],
    *,
    deviation_N: Float64 | None,
    settings: RankingSettings,
) -> Selection:
    if not task.is_own:
        return select_given(value_N, task.k)
    return select_own(
        value_N,
        tier_N,
        items.category[task.slots],
        k=task.k,
        category_share_max=settings.category_share_max,
        explore_frac=settings.explore_frac,
        uniform=seeded_uniform(task.slate_id),
        deviation_N=deviation_N,
    )


def _places(
    items: ItemTable, slots: NDArray[np.int32], value_P: Float64, predictions: dict[str, Float32], rows: list[int]
) -> list[dict[str, Any]]:
    """The chosen items as `RankedItem` has them."""
    names = list(predictions)
    columns = [value_P, *(prediction_N[rows] for prediction_N in predictions.values())]
    number_PC = np.round(np.array(columns, np.float64).T, PUBLISHED_DIGITS).tolist()
    return [
        {
            "item_id": items.item_ids[slot],
            "kind": KINDS[kind],
            "score": score,
            "predictions": dict(zip(names, values, strict=True)),
        }
        for slot, kind, (score, *values) in zip(slots.tolist(), items.kind[slots].tolist(), number_PC, strict=True)
    ]
