"""What the ranker computes of an item alone: it depends on the item's content and the version, so a scorer keeps it."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ItemSide"]


@dataclass(frozen=True, slots=True)
class ItemSide:
    """M items. `factor_MW` float32: factors of the taste kernel, weights included."""

    factor_MW: Tensor

    def rows(self, content_N: Tensor) -> "ItemSide":
        """Those of rows by their number in the content; zeros for NO_ITEM."""
        if not len(self.factor_MW):
            return ItemSide(self.factor_MW.new_zeros(len(content_N), self.factor_MW.shape[1]))
        found = self.factor_MW.index_select(0, content_N.clamp(min=0))
        return ItemSide(torch.where((content_N >= 0).unsqueeze(1), found, 0.0))
