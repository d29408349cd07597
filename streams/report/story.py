"""The history of rounds as a report asks for it: figures over rounds, tables pooled over rounds and ages. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.tasks import Task
from streams.training.prediction_cells import cell_table

__all__ = ["ListMeans", "Story", "smoothed"]

Float64 = NDArray[np.float64]
# Rounds that speak for the present.
RECENT_ROUNDS = 20
# Rounds that one point of a line is the mean of, and lines of how many such means at most.
SMOOTH_ROUNDS, MAX_MEANS = 8, 50


@dataclass(frozen=True, slots=True)
class ListMeans:
    """Means over lists with a positive; NaN without a list."""

    lists: int
    ndcg_at_10: float
    mrr: float


@dataclass(frozen=True, slots=True)
class Story:
    """Rounds as round_history.py reads them, at least one, and the tasks they speak of."""

    records: Sequence[Mapping[str, Any]]
    tasks: Sequence[Task]

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], tasks: Sequence[Task]) -> "Story":
        """With those of the tasks that had a label in any round."""
        seen = {name for record in records for name in record["cells"]}
        return cls(records, [task for task in tasks if task.name in seen])

    @property
    def rounds(self) -> Float64:
        """float64[R]: the numbers."""
        return np.array([record["round"] for record in self.records], np.float64)

    @property
    def num_recent(self) -> int:
        """Rounds that speak for the present: the last of them, at most half of all."""
        return min(RECENT_ROUNDS, max(1, len(self.records) // 2))

    @property
    def num_smooth(self) -> int:
        """Rounds that one point of a line is the mean of."""
        return max(SMOOTH_ROUNDS, len(self.records) // MAX_MEANS)

    def figure(self, group: str, task: str, name: str) -> Float64:
        """float64[R]: `record[group][task][name]`, NaN where a round has none."""
        return _column(self.records, (group, task, name))

    def value(self, group: str, name: str) -> Float64:
        """float64[R]: `record[group][name]`, NaN where a round has none."""
        return _column(self.records, (group, name))

    def table(self, task: str, *, last: int | None = None, age: int | None = None) -> Float64:
        """float64[NUM_BINS, 3]: rows, sum of predictions and of labels, over the last rounds and one age, or all."""
        cells = [cell for record in self._last(last) for cell in record["cells"].get(task, ())]
        return cell_table(cells, age)

    def lists(self, task: str, *, last: int | None = None, age: int | None = None) -> ListMeans:
        """Means over the lists of the last rounds (None: all) and one age (None: all)."""
        cells = [cell for record in self._last(last) for cell in record["lists"].get(task, ())]
        kept = np.array([cell[1:] for cell in cells if age is None or cell[0] == age], np.float64).reshape(-1, 3)
        num, ndcg, reciprocal = kept.sum(0).tolist()
        return ListMeans(int(num), ndcg / num, reciprocal / num) if num else ListMeans(0, float("nan"), float("nan"))

    def ages(self, task: str) -> list[int]:
        """Ages (prediction_cells.AGE_LIMITS_S) of which there are rows, youngest first."""
        return sorted({int(cell[0]) for record in self.records for cell in record["cells"].get(task, ())})

    def threshold_bin(self, edges: Float64, task: str) -> int | None:
        """The first bin that counted as yes in the newest round that had a threshold."""
        known = self.figure("decided", task, "threshold")
        known = known[np.isfinite(known)]
        return int(np.argmin(np.abs(edges - known[-1]))) if len(known) else None

    def num_decided(self, decision: str) -> int:
        """Rounds that ended so."""
        return sum(record["decision"] == decision for record in self.records)

    def _last(self, num: int | None) -> Sequence[Mapping[str, Any]]:
        return self.records if num is None else self.records[-num:]


def smoothed(values_R: Float64, weights_R: Float64, num: int) -> Float64:
    """float64[R]: weighted mean of the last `num` values of which each is known; NaN before the first known one."""
    is_known = np.isfinite(values_R) & (weights_R > 0)
    weights = np.where(is_known, weights_R, 0.0)
    sums = np.cumsum(np.stack([weights * np.where(is_known, values_R, 0.0), weights]), axis=1)
    before = np.concatenate([np.zeros((2, num)), sums], axis=1)[:, : sums.shape[1]]
    total, weight = sums - before
    return np.where(weight > 1e-12 * max(float(weights.sum()), 1e-300), total / np.maximum(weight, 1e-300), np.nan)


def _column(records: Sequence[Mapping[str, Any]], path: tuple[str, ...]) -> Float64:
    found = []
    for record in records:
        value: Any = record
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        found.append(np.nan if value is None else float(value))
    return np.array(found, np.float64)
