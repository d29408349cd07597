"""Exponential moving average of weights, corrected for its start: after one step it equals the weights themselves.

Serving the average instead of the last weights steadies a stream of small steps (models.md 11.3: .6144 to .6157).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["WeightAverage"]


class WeightAverage:
    """Average over updates with weights (1 - decay) decay^age, normalised to sum to 1."""

    def __init__(self, weights: Mapping[str, Tensor], decay: float) -> None:
        self.decay = decay
        self.share = 0.0
        self.sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}

    @torch.no_grad()
    def update(self, weights: Mapping[str, Tensor]) -> None:
        """Adds the weights as they are now."""
        self.share = self.decay * self.share + (1 - self.decay)
        sums = list(self.sums.values())
        torch._foreach_mul_(sums, self.decay)
        torch._foreach_add_(sums, [weights[name] for name in self.sums], alpha=1 - self.decay)

    @torch.no_grad()
    def shift(self, name: str, change: Tensor) -> None:
        """Moves the average of one weight by `change`, as if all past weights had been moved."""
        self.sums[name].add_(change, alpha=self.share)

    def average(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """New tensors; copies of `weights` before the first update."""
        if self.share == 0:
            return {name: weight.detach().clone() for name, weight in weights.items()}
        return {name: total / self.share for name, total in self.sums.items()}
