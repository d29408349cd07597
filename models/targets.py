"""What a loss compares scores with: labels, which are known, how much each row weighs, and its slate."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

__all__ = ["Targets", "weighted_mean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """`y` float[N] (or [N, K]), `mask` bool of the same shape, `weight_N` float, `slate_N` int64."""

    y: Tensor
    mask: Tensor
    weight_N: Tensor
    slate_N: Tensor

    def known(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and labels with zeros where the label is not known, so that nothing of those rows can leak."""
        return torch.where(self.mask, scores, 0.0), torch.where(self.mask, self.y, 0.0)

    def labelled(self) -> tuple[Tensor, "Targets"]:
        """Rows with any label, int64[R], and their targets: few where a label needs a click. Of [N, K] alone."""
        row_R = self.mask.any(1).nonzero().squeeze(1)
        return row_R, Targets(**{one.name: getattr(self, one.name).index_select(0, row_R) for one in fields(self)})

    def with_mask(self, mask: Tensor) -> "Targets":
        """The same targets with other rows known."""
        return replace(self, mask=mask)


def weighted_mean(losses_N: Tensor, targets: Targets) -> Tensor:
    """Mean of `losses_N` over known rows by `weight_N`; zero when there is none."""
    weight_N = torch.where(targets.mask, targets.weight_N, 0.0)
    total = weight_N.sum()
    return (losses_N * weight_N).sum() / torch.where(total > 0, total, 1.0)
