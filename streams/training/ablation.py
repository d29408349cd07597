"""How much worse the model is without a group of features, on slates of the replay buffer: what it lives on.

A group that is left out is missing as when its source is gone, which the model has learned to bear a little
(feature_dropout.py), so the figure says what losing that source would cost. The slates were learned once; the
comparison is between the same model with and without, so that this favours neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.batch import Batch
from models.feature_dropout import FEATURE_GROUPS_BESIDE_CROSS, without_group
from models.feature_groups import cross_groups
from models.ranker import Ranker
from models.tasks import Task
from streams.training.buffered_slate import ReadySlate
from streams.training.examples_to_batch import to_batch
from streams.training.judged_rows import predict
from streams.training.predicted_rows import PredictedBatch
from streams.training.progressive import progressive_metrics

__all__ = ["Ablation", "ablate"]

MIN_POSITIVES = 20


@dataclass(frozen=True, slots=True)
class Ablation:
    """`whole[task][figure]`: of the model as it is; `worse[group][task][figure]`: by how much it is worse without.

    Figures: `normalised_entropy` (dwell: `squared_error`), `auc`, and `ndcg_at_10` where lists define it; above 0 is
    worse in all of them. Tasks with fewer than 20 positives are left out.
    """

    num_slates: int
    num_rows: int
    whole: dict[str, dict[str, float]] = field(default_factory=dict)
    worse: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)


def ablate(ranker: Ranker, slates: Sequence[ReadySlate]) -> Ablation:
    """Leave out each group of `ranker`'s features in turn. Slates with other features are passed over."""
    found = to_batch(slates, ranker.schema, ranker.tasks, "judge")
    batch = found.batch
    if not batch.num_rows:
        return Ablation(0, 0)
    whole = _figures(ranker, batch, batch, found.shown_at_ms_S)
    groups = [*FEATURE_GROUPS_BESIDE_CROSS, *cross_groups(ranker.schema)]
    without = {
        group: _figures(ranker, batch, without_group(batch, ranker.schema, group), found.shown_at_ms_S)
        for group in groups
    }
    worse = {
        group: {
            task: {
                name: _sign(name) * (figures[name] - value) for name, value in whole[task].items() if name in figures
            }
            for task, figures in by_task.items()
        }
        for group, by_task in without.items()
    }
    return Ablation(batch.num_slates, batch.num_rows, whole, worse)


def _figures(ranker: Ranker, batch: Batch, given: Batch, shown_at_ms_S: np.ndarray) -> dict[str, dict[str, float]]:
    """Labels of `batch`, predictions for `given`."""
    seen = PredictedBatch(batch, shown_at_ms_S, predict(ranker, given), None)
    found = progressive_metrics([seen], ranker.tasks)
    kept = {task.name for task in ranker.tasks if found.get(task.name, {}).get("positives", 0) >= MIN_POSITIVES}
    return {
        task.name: {name: value for name, value in found[task.name].items() if name in _names(task)}
        for task in ranker.tasks
        if task.name in kept
    }


def _names(task: Task) -> tuple[str, ...]:
    return ("squared_error", "auc") if task.is_seconds else ("normalised_entropy", "auc", "ndcg_at_10")


def _sign(name: str) -> float:
    return 1.0 if name in {"normalised_entropy", "squared_error"} else -1.0
