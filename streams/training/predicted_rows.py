"""Rows of a round that were predicted before anything was learned from them, joined over its steps, task by task."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.batch import Batch
from models.tasks import Task
from streams.training.judged_rows import Predictions

__all__ = ["PredictedBatch", "TaskRows", "task_rows"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PredictedBatch:
    """Rows with what the live model said of them, and the champion (None: there was none).

    `shown_at_ms_S`: event time at which each slate was shown.
    """

    batch: Batch
    shown_at_ms_S: Int64
    live: Predictions
    champion: Predictions | None


@dataclass(frozen=True, slots=True)
class TaskRows:
    """N rows whose label of one task is known and final; seconds as log1p, of visits that ended.

    `champion_N` is empty when some rows had no champion. `slate_N` tells the slates of the round apart; `age_s_N`: how
    long before the newest slate of the round the row's slate was shown.
    """

    y_N: Float64
    live_N: Float64
    champion_N: Float64
    slate_N: Int64
    position_N: Int64
    age_s_N: Float64


def task_rows(seen: Sequence[PredictedBatch], task: Task) -> TaskRows:
    """The rows of one task in all batches."""
    known = [_known(one.batch, task) for one in seen]
    starts = np.cumsum([0, *(one.batch.num_slates for one in seen)])[:-1]
    newest_ms = max((int(one.shown_at_ms_S.max()) for one in seen if len(one.shown_at_ms_S)), default=0)
    ages = [(newest_ms - one.shown_at_ms_S)[one.batch.slate_N.numpy()] / 1000 for one in seen]

    def joined(columns: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
        kept = [column[rows] for column, rows in zip(columns, known, strict=True)]
        return np.concatenate(kept) if kept else np.zeros(0)

    y_N = joined([one.batch.y[task.name].numpy() for one in seen]).astype(np.float64)
    with_champion = [one.champion[task.name] for one in seen if one.champion]
    return TaskRows(
        y_N=np.log1p(y_N) if task.is_seconds else y_N,
        live_N=joined([one.live[task.name] for one in seen]).astype(np.float64),
        champion_N=joined(with_champion).astype(np.float64) if len(with_champion) == len(seen) else np.zeros(0),
        slate_N=joined([one.batch.slate_N.numpy() + start for one, start in zip(seen, starts, strict=True)]).astype(
            np.int64
        ),
        position_N=joined([one.batch.position_N.numpy() for one in seen]).astype(np.int64),
        age_s_N=joined(ages).astype(np.float64),
    )


def _known(batch: Batch, task: Task) -> NDArray[np.bool_]:
    rows: NDArray[np.bool_] = batch.mask[task.name].numpy()
    return rows & ~batch.censored.numpy() if task.is_seconds else rows
