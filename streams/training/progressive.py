"""Metrics of predictions made before their rows were learned, per task: the honest measure of a model that learns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.batch import Batch
from models.metrics import auc, log_loss, normalised_entropy, pcoc, xauc
from models.tasks import Task
from streams.training.judged_rows import Predictions

__all__ = ["PredictedBatch", "progressive_metrics"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PredictedBatch:
    """Rows with what the live model said of them, and the champion (None: there was none)."""

    batch: Batch
    live: Predictions
    champion: Predictions | None


def progressive_metrics(seen: Sequence[PredictedBatch], tasks: Sequence[Task]) -> dict[str, dict[str, float]]:
    """By task: rows, positives, and each metric of the live model; the champion's with `champion_` before its name.

    Binary tasks: log_loss, normalised_entropy, pcoc, auc. Dwell, over visits that ended, in log1p seconds:
    squared_error, pcoc (mean predicted over mean observed), auc (share of pairs in order). What the rows do not define
    is left out.
    """
    found = {task.name: _task_metrics(seen, task) for task in tasks}
    return {task: metrics for task, metrics in found.items() if metrics.get("rows")}


def _task_metrics(seen: Sequence[PredictedBatch], task: Task) -> dict[str, float]:
    known = [_known(one.batch, task) for one in seen]
    y = _joined([one.batch.y[task.name].double().numpy()[rows] for one, rows in zip(seen, known, strict=True)])
    y = np.log1p(y) if task.is_seconds else y
    metrics = {"rows": float(len(y)), "positives": float((y > 0).sum())}
    live = _joined([one.live[task.name][rows] for one, rows in zip(seen, known, strict=True)])
    champion = [one.champion[task.name][rows] for one, rows in zip(seen, known, strict=True) if one.champion]
    for prefix, p in (("", live), ("champion_", _joined(champion))):
        if len(y) and len(p) == len(y):
            values = {f"{prefix}{name}": measure(y, p) for name, measure in _measures(task).items()}
            metrics |= {name: value for name, value in values.items() if np.isfinite(value)}
    return metrics


def _measures(task: Task) -> dict[str, Callable[[Float64, Float64], float]]:
    if task.is_seconds:
        return {"squared_error": lambda y, p: float(((y - p) ** 2).mean()), "pcoc": pcoc, "auc": xauc}
    return {"log_loss": log_loss, "normalised_entropy": normalised_entropy, "pcoc": pcoc, "auc": auc}


def _known(batch: Batch, task: Task) -> NDArray[np.bool_]:
    rows: NDArray[np.bool_] = batch.mask[task.name].numpy()
    return rows & ~batch.censored.numpy() if task.is_seconds else rows


def _joined(columns: Sequence[Float64]) -> Float64:
    return np.concatenate(columns) if columns else np.zeros(0)
