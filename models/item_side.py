"""What the ranker computes of an item alone: it depends on the item's content and the version, so a scorer keeps it."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

__all__ = ["ItemSide"]


@dataclass(frozen=True, slots=True)
class ItemSide:
    """M items. `factor_MW` float32: factors of the taste kernel, weights included.

    `id_MW`: vectors by id (id_table.py); `attention_MA`: queries and keys (target_attention.py); zero wide when off.
    """

    factor_MW: Tensor
    id_MW: Tensor
    attention_MA: Tensor

    def __len__(self) -> int:
        """M."""
        return len(self.factor_MW)

    def take(self, row_N: Tensor) -> "ItemSide":
        """Those at `row_N`, all of them there."""
        return ItemSide(**{one.name: getattr(self, one.name).index_select(0, row_N) for one in fields(self)})

    def resized(self, num_items: int) -> "ItemSide":
        """Room for so many items, at least as many as there are; what is in the new rows means nothing."""
        larger = {}
        for one in fields(self):
            held_MW: Tensor = getattr(self, one.name)
            larger[one.name] = held_MW.new_empty(num_items, held_MW.shape[1])
            larger[one.name][: len(held_MW)] = held_MW
        return ItemSide(**larger)

    def put(self, start: int, side: "ItemSide") -> None:
        """Write items over those from `start` on."""
        for one in fields(self):
            getattr(self, one.name)[start : start + len(side)] = getattr(side, one.name)

    def factors(self, content_N: Tensor) -> Tensor:
        """float32[N, W] of rows by their number in the content; zeros for NO_ITEM."""
        return _of_rows(self.factor_MW, content_N)

    def ids(self, content_N: Tensor) -> Tensor:
        """float32[N, W] likewise."""
        return _of_rows(self.id_MW, content_N)


def _of_rows(values_MW: Tensor, content_N: Tensor) -> Tensor:
    if not len(values_MW):
        return values_MW.new_zeros(len(content_N), values_MW.shape[1])
    return torch.where((content_N >= 0).unsqueeze(1), values_MW.index_select(0, content_N.clamp(min=0)), 0.0)
