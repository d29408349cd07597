"""Calibration of all binary tasks, each by kind of item: products, coupons and ads are ranked on one scale.

Hierarchical: a kind's scale and shift are pulled towards those of its task, so that a kind with few rows borrows them.
Rows that may still turn positive count as they do when they are learned (late_labels.py).
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from models.batch import Batch
from models.calibration import OnlinePlatt
from models.kinds import NUM_KINDS
from models.late_labels import late_weights

__all__ = ["TaskCalibration"]


class TaskCalibration(nn.Module):
    """Calibrators by task name: one of the task, and one of each kind."""

    def __init__(self, tasks: Sequence[str], half_life_rows: float) -> None:
        super().__init__()
        platts = {task: nn.ModuleList([OnlinePlatt(half_life_rows) for _ in range(1 + NUM_KINDS)]) for task in tasks}
        self.platts = nn.ModuleDict(platts)

    def reset(self, task: str) -> None:
        """Back to the identity; a task that has no calibration is left alone."""
        for platt in self._of(task):
            platt.reset()

    @torch.no_grad()
    def observe(self, batch: Batch, logits: Mapping[str, Tensor], p: Mapping[str, Tensor]) -> None:
        """One step on rows predicted before they were learned: `logits` raw and `p` calibrated, float[N] by task."""
        for task in self.platts:
            if task not in batch.y:
                continue
            weight_N = torch.where(batch.mask[task], batch.weight_N, 0.0)
            if task in batch.is_early:
                weight_N = weight_N * late_weights(batch.y[task], p[task], batch.is_early[task])
            of_task, *of_kinds = self._of(task)
            of_task.observe(logits[task], batch.y[task], weight_N)
            for kind, of_kind in enumerate(of_kinds):
                of_kind.observe(logits[task], batch.y[task], torch.where(batch.kind_N == kind, weight_N, 0.0))
                of_kind.borrow(of_task.scale_shift)

    def scale_shift_K2(self, task: str) -> Tensor:  # noqa: N802  a shape is written into the name
        """float64[K, 2] by kind; the identity for a task that has no calibration."""
        platts = list(self._of(task))[1:]
        if not platts:
            return torch.tensor([[1.0, 0.0]], dtype=torch.float64).repeat(NUM_KINDS, 1)
        return torch.stack([platt.scale_shift for platt in platts])

    def _of(self, task: str) -> Iterator[OnlinePlatt]:
        if task in self.platts:
            yield from (platt for platt in self.platts[task].children() if isinstance(platt, OnlinePlatt))
