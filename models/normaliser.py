"""Standardises features with running moments: exact after every batch, frozen when the model serves.

A value that is missing or not finite is left out of the moments and becomes 0, the mean: a lost feature source
degrades gently. Clipped at +-6, the bound used in the measured runs (models.md 11.3).
"""

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from models.moments import column_moments

__all__ = ["CLIP", "Normaliser"]

Float32 = NDArray[np.float32]
CLIP = 6.0
_ZERO, _CLIP, _LARGEST = np.float32(0.0), np.float32(CLIP), np.finfo(np.float32).max
# Below this variance a feature is constant so far, and is only centred.
MIN_VARIANCE = 1e-12


class Normaliser(nn.Module):
    """Running mean and variance of F features, float64; `observe` learns them, `forward` applies them."""

    count_F: Tensor
    mean_F: Tensor
    sum_squares_F: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        for name in ("count_F", "mean_F", "sum_squares_F"):
            self.register_buffer(name, torch.zeros(num_features, dtype=torch.float64))
        self._frozen: tuple[Tensor, Tensor] | None = None

    def freeze(self) -> None:
        """Nothing will be observed or loaded any more: what the moments give is computed once."""
        self._frozen = self._mean_and_scale()

    @torch.no_grad()
    def observe(self, values_NF: Tensor) -> None:
        """Merges the moments of these rows exactly (Chan, Golub, LeVeque 1979, formula for two samples)."""
        count, mean, sum_squares = column_moments(values_NF)
        total = self.count_F + count
        share = count / total.clamp(min=1)
        step = mean - self.mean_F
        self.sum_squares_F.add_(sum_squares + step.square() * self.count_F * share)
        self.mean_F.add_(step * share)
        self.count_F.copy_(total)

    def forward(self, values_NF: Tensor) -> Tensor:
        """float32[N, F] in [-6, 6]; 0 where the value is missing, and before anything was observed."""
        mean_F, scale_F = self._frozen or self._mean_and_scale()
        if values_NF.device.type != "cpu":
            scaled = (values_NF - mean_F) * scale_F
            return scaled.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0).clamp_(-CLIP, CLIP)
        found_NF = torch.empty(values_NF.shape)
        _scale(values_NF.contiguous().numpy(), mean_F.numpy(), scale_F.numpy(), found_NF.numpy())
        return found_NF

    def _mean_and_scale(self) -> tuple[Tensor, Tensor]:
        variance = self.sum_squares_F / self.count_F.clamp(min=1)
        scale = torch.where(variance > MIN_VARIANCE, variance.clamp(min=MIN_VARIANCE).rsqrt(), 1.0)
        return self.mean_F.float(), torch.where(self.count_F > 0, scale, 0.0).float()


@njit(cache=True, error_model="numpy", nogil=True)
def _scale(values_NF: Float32, mean_F: Float32, scale_F: Float32, found_NF: Float32) -> None:
    """In one pass: lists are small, and each step of tensors costs as much as the work."""
    for n in range(len(values_NF)):
        for f in range(len(mean_F)):
            scaled = (values_NF[n, f] - mean_F[f]) * scale_F[f]
            found_NF[n, f] = min(max(scaled, -_CLIP), _CLIP) if abs(scaled) <= _LARGEST else _ZERO
