"""Predictions of champion and challenger for the same rows, in the form in which they are compared.

A task over given rows is compared given that task, which is judged by itself. Without a champion the challenger
is measured against what serves instead: the item's smoothed click rate, and the base rate of every other task.

Lists are compared as shown: with what each model makes of the places. The champion chose these places, and what stands
high is clicked more; without that it would be given its own order for good (in the demo's shop by .009 GAUC against a
successor that is better by .004).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.batch import Batch
from models.finetune import FineTuner
from models.list_metrics import average_ranks, ndcg_at_k
from models.ranker import Ranker
from models.tasks import CLICK_TASK, Task
from streams.training.evidence import Evidence, JudgedRows, ListPairs

__all__ = [
    "AS_SHOWN",
    "Predictions",
    "as_shown",
    "evidence_of",
    "fallback",
    "judged_lists",
    "judged_rows",
    "predict",
    "to_numpy",
]

Float64 = NDArray[np.float64]
Predictions = Mapping[str, Float64]
CLICK_K = 10
SMALLEST = 1e-9
# No task has a space in its name.
AS_SHOWN = "click as shown"


def predict(ranker: Ranker, batch: Batch) -> Predictions:
    """float64[N] per task, as served: without position, and AS_SHOWN. The batch must be where the ranker is."""
    return as_shown(ranker, batch, to_numpy(ranker.predict(batch), ranker.tasks))


def as_shown(ranker: Ranker, batch: Batch, predictions: Predictions) -> Predictions:
    """The predictions, and under AS_SHOWN log-odds of a click where the row was shown."""
    p_N = np.clip(predictions[CLICK_TASK], SMALLEST, 1 - SMALLEST)
    click = [task.name for task in ranker.tasks].index(CLICK_TASK)
    with torch.no_grad():
        place_N = ranker.position(batch.position_N, batch.kind_N)[:, click].double().cpu().numpy()
    return {**predictions, AS_SHOWN: np.log(p_N / (1 - p_N)) + place_N}


def to_numpy(predictions: Mapping[str, torch.Tensor], tasks: Sequence[Task]) -> Predictions:
    """float64[N] per task; tasks over given rows as they are given the other."""
    values = {name: column.double().cpu().numpy() for name, column in predictions.items()}
    return {
        task.name: values[task.name]
        if task.given is None or task.rows == "impressions"
        else values[task.name] / np.maximum(values[task.given], SMALLEST)
        for task in tasks
    }


def fallback(tuner: FineTuner, batch: Batch) -> Predictions:
    """What serves before any model; it knows nothing of places, and is lent what the model in training knows."""
    predictions = {}
    for task in tuner.ranker.tasks:
        rates = tuner.objective.rates_of(task.name)
        if task.loss == "ordinal":
            constant = tuner.ranker.scale(task.name).expected_log_s(rates.rates()[None].float())
        else:
            constant = rates.start() if task.is_seconds else rates.rates()
        predictions[task.name] = np.full(batch.num_rows, float(constant[0]))
    logit_N = batch.item_NI[:, tuner.ranker.schema.item.index("item_click_logit")].double().cpu().numpy()
    rate_N = 1 / (1 + np.exp(-np.clip(logit_N, -50, 50)))
    predictions[CLICK_TASK] = np.where(np.isfinite(rate_N), rate_N, predictions[CLICK_TASK])
    return as_shown(tuner.ranker, batch, predictions)


def evidence_of(
    tasks: Sequence[Task], batch: Batch, before: Predictions, after: Predictions, user_S: NDArray[np.int64]
) -> Evidence:
    """What the batch says of two models: `before` in the champion's place. `user_S`: group of each slate's user."""
    rows = {task.name: judged_rows(task, batch, before, after, user_S) for task in tasks}
    return Evidence.of(rows, judged_lists(batch, before, after, user_S))


def judged_rows(
    task: Task, batch: Batch, before: Predictions, after: Predictions, user_S: NDArray[np.int64]
) -> JudgedRows:
    """Rows of one task with a known label; visits that may go on have none yet."""
    is_known = batch.mask[task.name].cpu().numpy()
    if task.is_seconds:
        is_known = is_known & ~batch.censored.cpu().numpy()
    y_N = batch.y[task.name].double().cpu().numpy()[is_known]
    return JudgedRows(
        y_N=np.log1p(y_N) if task.is_seconds else y_N,
        champion_N=before[task.name][is_known],
        challenger_N=after[task.name][is_known],
        user_N=user_S[batch.slate_N.cpu().numpy()[is_known]],
        is_binary=not task.is_seconds,
        kind_N=batch.kind_N.cpu().numpy()[is_known],
    )


def judged_lists(
    batch: Batch, before: Predictions, after: Predictions, user_S: NDArray[np.int64]
) -> dict[str, ListPairs]:
    """NDCG@10 of each list that has a click; AUC of clicks inside each, weighted by rows: their mean is GAUC."""
    is_known = batch.mask[CLICK_TASK].cpu().numpy()
    y, slate = batch.y[CLICK_TASK].cpu().numpy()[is_known], batch.slate_N.cpu().numpy()[is_known]
    if not len(slate):
        return {}
    position = batch.position_N.cpu().numpy()[is_known]
    slates, num_rows = np.unique(slate, return_counts=True)
    user = user_S[slates]
    columns = {"champion": before[AS_SHOWN][is_known], "challenger": after[AS_SHOWN][is_known]}
    ndcg = {who: ndcg_at_k(y, p, slate, position, CLICK_K) for who, p in columns.items()}
    auc = {who: _auc_in_list(y, p, slate) for who, p in columns.items()}
    return {
        "ndcg_at_10": ListPairs(user, ndcg["champion"], ndcg["challenger"]),
        "gauc": ListPairs(user, auc["champion"], auc["challenger"], num_rows.astype(np.float64)),
    }


def _auc_in_list(y_N: NDArray[np.float32], p_N: Float64, slate_N: NDArray[np.int64]) -> Float64:
    """float64[L]: AUC of each list, ascending by slate; NaN where all labels are equal."""
    _, group = np.unique(slate_N, return_inverse=True)
    is_positive = y_N > 0
    num_rows = np.bincount(group).astype(np.float64)
    num_positive = np.bincount(group, weights=is_positive)
    rank_sum = np.bincount(group, weights=average_ranks(p_N, group) * is_positive)
    num_pairs = num_positive * (num_rows - num_positive)
    won = rank_sum - num_positive * (num_positive + 1) / 2
    return np.where(num_pairs > 0, won / np.maximum(num_pairs, 1), np.nan)
