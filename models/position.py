"""The effect of being shown higher, as a logit that is added while learning and left out when serving.

The logit is centred over the positions that were really seen, per kind: without that the overall rate could hide in
it, and predictions made without it would be off. Form: a shallow additive tower (models.md 11.1, source [70]).
"""

import torch
from torch import Tensor, nn

from models.kinds import NUM_KINDS

__all__ = ["PositionLogit"]


class PositionLogit(nn.Module):
    """One logit per kind, position and task; positions from `num_positions` - 1 on share the last one."""

    num_seen_P: Tensor

    def __init__(self, num_positions: int, num_tasks: int) -> None:
        super().__init__()
        self.num_positions = num_positions
        self.logit_PT = nn.Parameter(torch.zeros(NUM_KINDS * num_positions, num_tasks))
        self.register_buffer("num_seen_P", torch.zeros(NUM_KINDS * num_positions, dtype=torch.float64))

    def observe(self, position_N: Tensor, kind_N: Tensor) -> None:
        """Counts where rows were shown; the centre follows these counts."""
        self.num_seen_P += torch.bincount(self._cells(position_N, kind_N), minlength=len(self.num_seen_P))

    def forward(self, position_N: Tensor, kind_N: Tensor) -> Tensor:
        """float[N, T]; zero on average over the rows seen of each kind."""
        seen_KP1 = self.num_seen_P.view(NUM_KINDS, -1, 1).to(self.logit_PT.dtype)
        logit_KPT = self.logit_PT.view(NUM_KINDS, self.num_positions, -1)
        centre_K1T = (logit_KPT * seen_KP1).sum(1, keepdim=True) / seen_KP1.sum(1, keepdim=True).clamp(min=1)
        return (logit_KPT - centre_K1T).flatten(0, 1).index_select(0, self._cells(position_N, kind_N))

    def _cells(self, position_N: Tensor, kind_N: Tensor) -> Tensor:
        return kind_N.clamp(0, NUM_KINDS - 1) * self.num_positions + position_N.clamp(0, self.num_positions - 1)
