"""The model as it would serve now: a copy of the ranker with averaged weights and the newest calibration."""

import copy

import torch

from models.ema import WeightAverage
from models.ranker import Ranker
from models.task_calibration import TaskCalibration

__all__ = ["ServingCopy"]


class ServingCopy:
    """One copy, whose weights follow when asked for after `changed`; its calibration follows every time."""

    def __init__(self) -> None:
        self._copy: Ranker | None = None
        self._is_stale = True

    def changed(self) -> None:
        """The ranker's weights are others now."""
        self._is_stale = True

    def made_anew(self) -> None:
        """The ranker's weights may have other sizes now."""
        self._copy, self._is_stale = None, True

    def of(self, ranker: Ranker, average: WeightAverage, calibration: TaskCalibration) -> Ranker:
        """The copy, up to date."""
        if self._copy is None:
            self._copy = copy.deepcopy(ranker).requires_grad_(requires_grad=False).eval()
        if self._is_stale:
            newest = {**ranker.state_dict(), **average.average(dict(ranker.named_parameters()))}
            held = self._copy.state_dict()
            # All at once: a step is short, and a module's own way takes a quarter of it.
            torch._foreach_copy_(list(held.values()), [newest[name] for name in held])
            self._is_stale = False
        for t, task in enumerate(ranker.tasks):
            self._copy.platt_TK2[t].copy_(calibration.scale_shift_K2(task.name))
        return self._copy
