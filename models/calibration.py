"""Online Platt scaling of one binary task: p = sigmoid(scale x logit + shift), two numbers learned from the stream.

It repairs what changes faster than the weights, above all the base rate. Each batch is one damped Newton step on the
decayed curvature, so its memory is a number of rows and not a learning rate.
"""

import torch
from torch import Tensor, nn

__all__ = ["OnlinePlatt"]

# How strongly the identity is preferred, in units of curvature: about 200 rows at a base rate of .05.
PRIOR_CURVATURE = 10.0
SCALE_BOUNDS = (0.5, 2.0)
SHIFT_BOUND = 5.0


class OnlinePlatt(nn.Module):
    """Scale and shift of one task's logits; float64, starts as the identity."""

    scale_shift: Tensor
    curvature: Tensor

    def __init__(self, half_life_rows: float) -> None:
        super().__init__()
        self.half_life_rows = half_life_rows
        self.register_buffer("scale_shift", torch.tensor([1.0, 0.0], dtype=torch.float64))
        self.register_buffer("curvature", torch.zeros(2, 2, dtype=torch.float64))

    def reset(self) -> None:
        """Back to the identity, for a model that is no longer the one that was observed."""
        self.scale_shift.copy_(torch.tensor([1.0, 0.0]))
        self.curvature.zero_()

    @torch.no_grad()
    def observe(self, logits_N: Tensor, y_N: Tensor, weight_N: Tensor) -> None:
        """One step on rows that were not learned when the model gave these raw logits; non-finite ones are left out."""
        is_usable = torch.isfinite(logits_N) & torch.isfinite(y_N) & (weight_N > 0)
        if not bool(is_usable.any()):
            return
        logits, y, weight = (v[is_usable].double() for v in (logits_N, y_N, weight_N))
        inputs_N2 = torch.stack([logits, torch.ones_like(logits)], 1)
        p = (inputs_N2 @ self.scale_shift).sigmoid()
        kept = torch.exp2(-weight.sum() / self.half_life_rows)
        self.curvature.copy_(self.curvature * kept + (inputs_N2.T * (weight * p * (1 - p))) @ inputs_N2)
        damped = self.curvature + PRIOR_CURVATURE * torch.eye(2, dtype=torch.float64, device=p.device)
        stepped = self.scale_shift + torch.linalg.solve(damped, inputs_N2.T @ (weight * (y - p)))
        scale, shift = stepped[0].clamp(*SCALE_BOUNDS), stepped[1].clamp(-SHIFT_BOUND, SHIFT_BOUND)
        self.scale_shift.copy_(torch.stack([scale, shift]))
