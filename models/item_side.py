"""What the ranker computes of an item alone: it depends on the item's content and the version, so a scorer keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

__all__ = ["ItemSide"]


@dataclass(frozen=True, slots=True)
class ItemSide:
    """M items. `factor_MW` float32: factors of the taste kernel, weights included."""

    factor_MW: Tensor

    def __len__(self) -> int:
        """M."""
        return len(self.factor_MW)

    def take(self, row_N: Tensor) -> "ItemSide":
        """Those at `row_N`, all of them there."""
        return ItemSide(**{one.name: getattr(self, one.name).index_select(0, row_N) for one in fields(self)})

    @classmethod
    def concat(cls, sides: Sequence["ItemSide"]) -> "ItemSide":
        """All items one after the other."""
        return cls(**{one.name: torch.cat([getattr(side, one.name) for side in sides]) for one in fields(cls)})

    def rows(self, content_N: Tensor) -> "ItemSide":
        """Those of rows by their number in the content; zeros for NO_ITEM."""
        if not len(self.factor_MW):
            return ItemSide(self.factor_MW.new_zeros(len(content_N), self.factor_MW.shape[1]))
        found = self.factor_MW.index_select(0, content_N.clamp(min=0))
        return ItemSide(torch.where((content_N >= 0).unsqueeze(1), found, 0.0))
