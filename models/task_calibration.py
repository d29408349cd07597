"""Calibration of all binary tasks, each by kind of item: products, coupons and ads are ranked on one scale.

Hierarchical: a kind's scale and shift are pulled towards those of its task, so that a kind with few rows borrows them.
Rows that may still turn positive count as they do when they are learned (late_labels.py).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from models.batch import Batch
from models.calibration import IDENTITY, OnlinePlatt
from models.kinds import NUM_KINDS
from models.late_labels import late_weights

__all__ = ["TaskCalibration"]

# A calibration of the task as a whole comes before those of the kinds.
NUM_LEVELS = 1 + NUM_KINDS


class TaskCalibration(nn.Module):
    """For each of T tasks a calibration of the task, and one of each kind: one step for all, as they are many."""

    def __init__(self, tasks: Sequence[str], half_life_rows: float) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.platt = OnlinePlatt(len(tasks) * NUM_LEVELS, half_life_rows)

    def reset(self, task: str) -> None:
        """Back to the identity; a task that has no calibration is left alone."""
        if task in self.tasks:
            start = self.tasks.index(task) * NUM_LEVELS
            self.platt.reset(slice(start, start + NUM_LEVELS))

    @torch.no_grad()
    def observe(self, batch: Batch, logits: Mapping[str, Tensor], p: Mapping[str, Tensor]) -> None:
        """One step on rows predicted before they were learned: `logits` raw and `p` calibrated, float[N] by task."""
        if not self.tasks:
            return
        nothing_N = torch.zeros_like(batch.weight_N)
        given = [task in batch.y for task in self.tasks]
        weight_TN, logit_TN, y_TN = (
            torch.stack([of(task) if is_given else nothing_N for task, is_given in zip(self.tasks, given, strict=True)])
            for of in (lambda task: self._weights(batch, p, task), logits.__getitem__, batch.y.__getitem__)
        )
        kind_K1 = torch.arange(NUM_KINDS, device=batch.kind_N.device).unsqueeze(1)
        is_of_LN = torch.cat([torch.ones_like(batch.kind_N, dtype=torch.bool).unsqueeze(0), batch.kind_N == kind_K1])
        weight_TLN = torch.where(is_of_LN, weight_TN.unsqueeze(1), 0.0)
        logit_PN, y_PN = (one_TN.repeat_interleave(NUM_LEVELS, 0) for one_TN in (logit_TN, y_TN))
        self.platt.observe(logit_PN, y_PN, weight_TLN.flatten(0, 1))
        anchor_TL2 = self._levels().clone()
        anchor_TL2[:, 1:] = anchor_TL2[:, :1]
        anchor_TL2[:, 0] = torch.tensor(IDENTITY, dtype=anchor_TL2.dtype)
        self.platt.borrow(anchor_TL2.flatten(0, 1))

    def scale_shift_K2(self, task: str) -> Tensor:  # noqa: N802  a shape is written into the name
        """float64[K, 2] by kind; the identity for a task that has no calibration."""
        if task not in self.tasks:
            return torch.tensor(IDENTITY, dtype=torch.float64).repeat(NUM_KINDS, 1)
        return self._levels()[self.tasks.index(task), 1:]

    def _levels(self) -> Tensor:
        """float64[T, 1 + K, 2]: scales and shifts."""
        return self.platt.scale_shift_P2.view(len(self.tasks), NUM_LEVELS, 2)

    @staticmethod
    def _weights(batch: Batch, p: Mapping[str, Tensor], task: str) -> Tensor:
        weight_N = torch.where(batch.mask[task], batch.weight_N, 0.0)
        if task not in batch.is_early:
            return weight_N
        return weight_N * late_weights(batch.y[task], p[task], batch.is_early[task])
