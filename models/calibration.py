"""Online Platt scaling of one binary task: p = sigmoid(scale x logit + shift), two numbers learned from the stream.

It repairs what changes faster than the weights, above all the base rate. Iteratively reweighted least squares over
decayed sums: no learning rate, only a memory in rows. A young model changes fast, so the memory is at most a quarter of
the rows seen so far. What few rows cannot tell comes from an anchor: the identity, or for one kind its task.
"""

import torch
from torch import Tensor, nn

__all__ = ["OnlinePlatt"]

# How strongly the anchor is preferred, in units of curvature: about 200 rows at a base rate of .05.
PRIOR_CURVATURE = 10.0
SCALE_BOUNDS = (0.5, 2.0)
SHIFT_BOUND = 5.0
YOUNG_SHARE = 0.25


class OnlinePlatt(nn.Module):
    """Scale and shift of one task's logits; float64, starts as the identity."""

    scale_shift: Tensor
    anchor: Tensor
    curvature: Tensor
    pull: Tensor
    num_rows: Tensor

    def __init__(self, half_life_rows: float) -> None:
        super().__init__()
        self.half_life_rows = half_life_rows
        self.register_buffer("scale_shift", torch.tensor([1.0, 0.0], dtype=torch.float64))
        self.register_buffer("anchor", torch.tensor([1.0, 0.0], dtype=torch.float64))
        self.register_buffer("curvature", torch.zeros(2, 2, dtype=torch.float64))
        self.register_buffer("pull", torch.zeros(2, dtype=torch.float64))
        self.register_buffer("num_rows", torch.zeros((), dtype=torch.float64))

    def reset(self) -> None:
        """Back to the identity, for a model that is no longer the one that was observed."""
        for buffer in self.buffers():
            buffer.zero_()
        self.scale_shift[0] = self.anchor[0] = 1.0

    @torch.no_grad()
    def observe(self, logits_N: Tensor, y_N: Tensor, weight_N: Tensor) -> None:
        """One step on rows that were not learned when the model gave these raw logits; non-finite ones are left out."""
        is_usable = torch.isfinite(logits_N) & torch.isfinite(y_N) & (weight_N > 0)
        if not bool(is_usable.any()):
            return
        logits, y, weight = (v[is_usable].double() for v in (logits_N, y_N, weight_N))
        self.num_rows += weight.sum()
        kept = torch.exp2(-weight.sum() / (self.num_rows * YOUNG_SHARE).clamp(max=self.half_life_rows))
        inputs_N2 = torch.stack([logits, torch.ones_like(logits)], 1)
        fitted = inputs_N2 @ self.scale_shift
        p = fitted.sigmoid()
        slope = weight * p * (1 - p)
        self.curvature.copy_(self.curvature * kept + (inputs_N2.T * slope) @ inputs_N2)
        self.pull.copy_(self.pull * kept + inputs_N2.T @ (slope * fitted + weight * (y - p)))
        self._solve()

    @torch.no_grad()
    def borrow(self, anchor: Tensor) -> None:
        """Prefer this scale and shift, float64[2], from now on: without rows of its own it equals it."""
        self.anchor.copy_(anchor)
        self._solve()

    def _solve(self) -> None:
        prior = PRIOR_CURVATURE * torch.eye(2, dtype=torch.float64, device=self.pull.device)
        curvature, pull = self.curvature + prior, self.pull + PRIOR_CURVATURE * self.anchor
        scale = torch.linalg.solve(curvature, pull)[0].clamp(*SCALE_BOUNDS)
        shift = (pull[1] - curvature[0, 1] * scale) / curvature[1, 1]
        self.scale_shift.copy_(torch.stack([scale, shift.clamp(-SHIFT_BOUND, SHIFT_BOUND)]))
