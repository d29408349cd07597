"""Predictions of a round as counts that add up over rounds: by age of the label and by bin of the prediction.

One table says it all: its rows are the histogram, their labels the reliability, their running sums precision and
recall at any edge. Bins are equally wide in logits, so that rare tasks have as many as frequent ones; of seconds, in
log1p seconds. It reads no file and knows no model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.list_metrics import mrr, ndcg_at_k
from models.tasks import Task
from streams.training.predicted_rows import PredictedBatch, TaskRows, task_rows
from streams.training.progressive import LIST_K

__all__ = ["AGE_LIMITS_S", "NUM_BINS", "RoundCells", "bin_edges", "cell_table", "round_cells"]

Float64 = NDArray[np.float64]
Cells: TypeAlias = list[list[float]]
NUM_BINS = 48
BIN_WIDTH = 0.25
# From .03 % to 98 % in logits; from 0 s to 45 h in log1p seconds. What lies outside is in the outermost bins.
LOWEST_LOGIT, LOWEST_LOG_S = -8.0, 0.0
# Ages up to a minute, ten minutes, an hour, six hours, a day, and older.
AGE_LIMITS_S = (60, 600, 3600, 21_600, 86_400)
NUM_AGES = len(AGE_LIMITS_S) + 1


@dataclass(frozen=True, slots=True)
class RoundCells:
    """`rows[task]`: (age, bin, rows, sum of predictions, sum of labels) of what is not empty, of the live model.

    `lists[task]`: (age, lists, sum of NDCG@10, sum of reciprocal ranks) of slates with a positive; binary tasks over
    impressions alone. Age k is at most `AGE_LIMITS_S[k]`.
    """

    rows: dict[str, Cells] = field(default_factory=dict)
    lists: dict[str, Cells] = field(default_factory=dict)


def bin_edges(task: Task) -> Float64:
    """float64[NUM_BINS + 1]: probabilities, or log1p seconds."""
    if task.is_seconds:
        return np.linspace(LOWEST_LOG_S, LOWEST_LOG_S + NUM_BINS * BIN_WIDTH, NUM_BINS + 1)
    logits = np.linspace(LOWEST_LOGIT, LOWEST_LOGIT + NUM_BINS * BIN_WIDTH, NUM_BINS + 1)
    edges: Float64 = 1 / (1 + np.exp(-logits))
    return edges


def round_cells(seen: Sequence[PredictedBatch], tasks: Sequence[Task]) -> RoundCells:
    """The cells of all tasks that have rows."""
    found = {task.name: (task, rows) for task in tasks if len((rows := task_rows(seen, task)).y_N)}
    lists = {
        name: cells
        for name, (task, rows) in found.items()
        if not task.is_seconds and task.rows == "impressions" and (cells := _list_cells(rows))
    }
    return RoundCells({name: _row_cells(rows, task) for name, (task, rows) in found.items()}, lists)


def cell_table(cells: Iterable[Sequence[float]], age: int | None = None) -> Float64:
    """float64[NUM_BINS, 3]: rows, sum of predictions, sum of labels, over cells of any rounds and one age (or all)."""
    table = np.zeros((NUM_BINS, 3))
    for cell_age, place, *sums in cells:
        if age is None or int(cell_age) == age:
            table[int(place)] += sums
    return table


def _row_cells(rows: TaskRows, task: Task) -> Cells:
    is_finite = np.isfinite(rows.live_N)
    p_N, y_N = rows.live_N[is_finite], rows.y_N[is_finite]
    bin_N = np.searchsorted(bin_edges(task)[1:-1], p_N, side="right")
    code_N = _ages(rows.age_s_N[is_finite]) * NUM_BINS + bin_N
    sums = [np.bincount(code_N, weights, NUM_AGES * NUM_BINS) for weights in (np.ones(len(p_N)), p_N, y_N)]
    return [
        [code // NUM_BINS, code % NUM_BINS, *(float(s[code]) for s in sums)]
        for code in np.flatnonzero(sums[0]).tolist()
    ]


def _list_cells(rows: TaskRows) -> Cells:
    slates, first = np.unique(rows.slate_N, return_index=True)
    columns = (rows.y_N, rows.live_N, rows.slate_N, rows.position_N)
    ndcg_L, reciprocal_L = ndcg_at_k(*columns, LIST_K), mrr(*columns)
    is_defined = np.isfinite(ndcg_L)
    age_L = _ages(rows.age_s_N[first])[is_defined]
    weights = (np.ones(len(slates))[is_defined], ndcg_L[is_defined], reciprocal_L[is_defined])
    sums = [np.bincount(age_L, column, NUM_AGES) for column in weights]
    return [[age, *(float(s[age]) for s in sums)] for age in np.flatnonzero(sums[0]).tolist()]


def _ages(age_s_N: Float64) -> NDArray[np.int64]:
    return np.searchsorted(np.array(AGE_LIMITS_S, np.float64), age_s_N, side="left").astype(np.int64)
