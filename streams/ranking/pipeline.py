"""From captured features to lists: score all tasks at once, value, select, record. Touches no stream and no clock."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.features.catalogue import KINDS
from streams.features.items import ItemTable
from streams.ranking.explanation import explanation
from streams.ranking.record import Ranking
from streams.ranking.scorer import Float32, Scorer
from streams.ranking.slate import Selection, seeded_uniform, select_given, select_own, tiers
from streams.ranking.task import RankTask
from streams.ranking.value_model import ValueModel
from streams.settings import RankingSettings, Settings

__all__ = ["rank"]

# Digits after the point in a record: finer than float32 predictions are right, and half the bytes of all digits.
PUBLISHED_DIGITS = 8


def rank(
    tasks: Sequence[RankTask], items: ItemTable, scorer: Scorer, settings: Settings, scored_at_ms: int
) -> list[Ranking]:
    """One list per task, in order. A task's list does not depend on its neighbours, but for float rounding."""
    serving, weights = scorer.serving, settings.score_weights
    model = ValueModel(weights)
    rankings = []
    found = serving.score(tasks, items, is_exploring=settings.ranking.explore_frac > 0)
    for task, scored in zip(tasks, found, strict=True):
        bid_N = items.bid[task.slots]
        value_N = model.values(scored.predictions, bid_N)
        deviation_N = None if scored.raised is None else np.abs(model.values(scored.raised, bid_N) - value_N)
        selection = _select(task, items, value_N, deviation_N, settings.ranking)
        ranking = Ranking.model_validate(
            {
                "slate_id": task.slate_id,
                "user_id": task.user_id,
                "surface": task.surface,
                "items": _places(task, items, value_N, scored.predictions, selection.rows),
                "model_version": serving.version,
                "features_as_of_ms": task.features_as_of_ms,
                "watermark_ms": task.watermark_ms,
                "scored_at_ms": scored_at_ms,
                "cause": task.cause,
                "score_weights": weights,
                "policy": selection.policy,
                "propensity": selection.propensity,
                "explanation": explanation(task, items, serving, model, selection.rows) if task.is_explained else None,
            }
        )
        rankings.append(ranking)
    return rankings


def _select(
    task: RankTask,
    items: ItemTable,
    value_N: NDArray[np.float64],
    deviation_N: NDArray[np.float64] | None,
    settings: RankingSettings,
) -> Selection:
    if not task.is_own:
        return select_given(value_N, task.k)
    return select_own(
        value_N,
        tiers(items.is_known[task.slots] & items.in_stock[task.slots], task.seen_N, task.num_matched),
        items.category[task.slots],
        k=task.k,
        category_share_max=settings.category_share_max,
        explore_frac=settings.explore_frac,
        uniform=seeded_uniform(task.slate_id),
        deviation_N=deviation_N,
    )


def _places(
    task: RankTask, items: ItemTable, value_N: NDArray[np.float64], predictions: dict[str, Float32], rows: list[int]
) -> list[dict[str, object]]:
    """The chosen items as `RankedItem` has them."""
    slots = task.slots[rows]
    names = list(predictions)
    columns = [_published(predictions[name][rows]) for name in names]
    per_place = zip(*columns, strict=True) if columns else ((),) * len(rows)
    return [
        {
            "item_id": items.item_ids[slot],
            "kind": KINDS[kind],
            "score": score,
            "predictions": dict(zip(names, values, strict=True)),
        }
        for slot, kind, score, values in zip(
            slots.tolist(), items.kind[slots].tolist(), _published(value_N[rows]), per_place, strict=True
        )
    ]


def _published(values: NDArray[np.float32] | NDArray[np.float64]) -> list[float]:
    published: list[float] = np.round(values.astype(np.float64), PUBLISHED_DIGITS).tolist()
    return published
