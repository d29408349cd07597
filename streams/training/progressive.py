"""Metrics of predictions made before their rows were learned, per task: the honest measure of a model that learns."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.list_metrics import mrr, ndcg_at_k
from models.metrics import auc, average_precision, log_loss, normalised_entropy, pcoc, xauc
from models.tasks import Task
from streams.training.predicted_rows import PredictedBatch, TaskRows, task_rows

__all__ = ["LIST_K", "progressive_metrics"]

Float64 = NDArray[np.float64]
LIST_K = 10


def progressive_metrics(seen: Sequence[PredictedBatch], tasks: Sequence[Task]) -> dict[str, dict[str, float]]:
    """By task: rows, positives, and each metric of the live model; the champion's with `champion_` before its name.

    Binary tasks: log_loss, normalised_entropy, pcoc, auc, average_precision; over impressions also ndcg_at_10 and mrr,
    means over the slates that have a positive. Dwell, over visits that ended, in log1p seconds: squared_error, pcoc
    (mean predicted over mean observed), auc (share of pairs in order). What the rows do not define is left out.
    """
    found = {task.name: _task_metrics(task_rows(seen, task), task) for task in tasks}
    return {task: metrics for task, metrics in found.items() if metrics.get("rows")}


def _task_metrics(rows: TaskRows, task: Task) -> dict[str, float]:
    metrics = {"rows": float(len(rows.y_N)), "positives": float((rows.y_N > 0).sum())}
    for prefix, p_N in (("", rows.live_N), ("champion_", rows.champion_N)):
        if len(rows.y_N) and len(p_N) == len(rows.y_N):
            values = {f"{prefix}{name}": measure(rows, p_N) for name, measure in _measures(task).items()}
            metrics |= {name: value for name, value in values.items() if np.isfinite(value)}
    return metrics


def _measures(task: Task) -> dict[str, Callable[[TaskRows, Float64], float]]:
    if task.is_seconds:
        return {
            "squared_error": lambda rows, p_N: float(((rows.y_N - p_N) ** 2).mean()),
            "pcoc": lambda rows, p_N: pcoc(rows.y_N, p_N),
            "auc": lambda rows, p_N: xauc(rows.y_N, p_N),
        }
    measures: dict[str, Callable[[TaskRows, Float64], float]] = {
        "log_loss": lambda rows, p_N: log_loss(rows.y_N, p_N),
        "normalised_entropy": lambda rows, p_N: normalised_entropy(rows.y_N, p_N),
        "pcoc": lambda rows, p_N: pcoc(rows.y_N, p_N),
        "auc": lambda rows, p_N: auc(rows.y_N, p_N),
        "average_precision": lambda rows, p_N: average_precision(rows.y_N, p_N),
    }
    if task.rows == "impressions":
        measures["ndcg_at_10"] = lambda rows, p_N: _mean(ndcg_at_k(*_list_columns(rows, p_N), LIST_K))
        measures["mrr"] = lambda rows, p_N: _mean(mrr(*_list_columns(rows, p_N)))
    return measures


def _list_columns(rows: TaskRows, p_N: Float64) -> tuple[Float64, Float64, NDArray[np.int64], NDArray[np.int64]]:
    return rows.y_N, p_N, rows.slate_N, rows.position_N


def _mean(per_list_L: Float64) -> float:
    """Over the lists that define it; NaN when none does."""
    is_defined = np.isfinite(per_list_L)
    return float(per_list_L[is_defined].mean()) if is_defined.any() else float("nan")
