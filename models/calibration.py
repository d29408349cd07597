"""Online Platt scaling of binary predictions: p = sigmoid(scale x logit + shift), two numbers learned from the stream.

It repairs what changes faster than the weights, above all the base rate. Iteratively reweighted least squares over
decayed sums: no learning rate, only a memory in rows. A young model changes fast, so the memory is at most a quarter of
the rows seen so far. What few rows cannot tell comes from an anchor: the identity, or for one kind its task.
"""

import torch
from torch import Tensor, nn

__all__ = ["IDENTITY", "OnlinePlatt"]

# How strongly the anchor is preferred, in units of curvature: about 200 rows at a base rate of .05.
PRIOR_CURVATURE = 10.0
SCALE_BOUNDS = (0.5, 2.0)
SHIFT_BOUND = 5.0
YOUNG_SHARE = 0.25
IDENTITY = (1.0, 0.0)


class OnlinePlatt(nn.Module):
    """P calibrations side by side, each a scale and a shift; float64, they start as the identity.

    `curvature_P3`: the sums over slopes of logit^2, logit and 1, a symmetric matrix of two rows.
    """

    scale_shift_P2: Tensor
    anchor_P2: Tensor
    curvature_P3: Tensor
    pull_P2: Tensor
    num_rows_P: Tensor

    def __init__(self, num: int, half_life_rows: float) -> None:
        super().__init__()
        self.half_life_rows = half_life_rows
        for name in ("scale_shift_P2", "anchor_P2"):
            self.register_buffer(name, torch.tensor(IDENTITY, dtype=torch.float64).repeat(num, 1))
        for name, shape in (("curvature_P3", (num, 3)), ("pull_P2", (num, 2)), ("num_rows_P", (num,))):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    def reset(self, places: slice) -> None:
        """Some go back to the identity, for a model that is no longer the one that was observed."""
        for buffer in self.buffers():
            buffer[places] = 0
        self.scale_shift_P2[places, 0] = self.anchor_P2[places, 0] = IDENTITY[0]

    @torch.no_grad()
    def observe(self, logits_PN: Tensor, y_PN: Tensor, weight_PN: Tensor) -> None:
        """One step on rows that were not learned when the model gave these raw logits; non-finite ones are left out."""
        is_usable = torch.isfinite(logits_PN) & torch.isfinite(y_PN) & (weight_PN > 0)
        logits, y, weight = (torch.where(is_usable, one, 0.0).double() for one in (logits_PN, y_PN, weight_PN))
        num_new_P = weight.sum(1)
        self.num_rows_P += num_new_P
        memory_P = (self.num_rows_P * YOUNG_SHARE).clamp(max=self.half_life_rows)
        kept_P1 = torch.where(num_new_P > 0, torch.exp2(-num_new_P / memory_P), 1.0).unsqueeze(1)
        fitted = self.scale_shift_P2[:, :1] * logits + self.scale_shift_P2[:, 1:]
        p = fitted.sigmoid()
        slope = weight * p * (1 - p)
        pull = slope * fitted + weight * (y - p)
        curvature_P3 = torch.stack([(slope * logits * logits).sum(1), (slope * logits).sum(1), slope.sum(1)], 1)
        self.curvature_P3.copy_(self.curvature_P3 * kept_P1 + curvature_P3)
        self.pull_P2.copy_(self.pull_P2 * kept_P1 + torch.stack([(pull * logits).sum(1), pull.sum(1)], 1))
        self._solve()

    @torch.no_grad()
    def borrow(self, anchor_P2: Tensor) -> None:
        """Prefer these scales and shifts from now on: what has no rows of its own equals them."""
        self.anchor_P2.copy_(anchor_P2)
        self._solve()

    def _solve(self) -> None:
        squares_P, mixed_P, ones_P = self.curvature_P3.unbind(1)
        squares_P, ones_P = squares_P + PRIOR_CURVATURE, ones_P + PRIOR_CURVATURE
        of_scale_P, of_shift_P = (self.pull_P2 + PRIOR_CURVATURE * self.anchor_P2).unbind(1)
        determinant_P = squares_P * ones_P - mixed_P * mixed_P
        scale_P = ((of_scale_P * ones_P - mixed_P * of_shift_P) / determinant_P).clamp(*SCALE_BOUNDS)
        shift_P = ((of_shift_P - mixed_P * scale_P) / ones_P).clamp(-SHIFT_BOUND, SHIFT_BOUND)
        self.scale_shift_P2.copy_(torch.stack([scale_P, shift_P], 1))
