"""What the catalogue says of an item as a short vector that never moves: a value has random signs, fixed by its code.

A random projection of the item's values (Weinberger 2009): items that share values point the same way, give or take
1 / sqrt(64). Unlike the content basis it is not fitted, so weights that are learned on top of it stay right.
"""

import torch
from torch import Tensor

from models.content import VALUE_BITS, Content

__all__ = ["HASHED_WIDTH", "hashed_values"]

# The signs of a value are the bits of one 64-bit number.
HASHED_WIDTH = 64
# Multipliers of splitmix64 (Steele 2014), as signed numbers; its shifts are made logical by masks.
_FIRST, _SECOND = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15


def hashed_values(content: Content, weight_F: Tensor) -> Tensor:
    """float32[M, 64] of length 1, or 0 for an item without values; `weight_F`: how much each field counts.

    A field counts the same however many values an item has in it.
    """
    num_items, num_fields = content.num_items, len(weight_F)
    field_V = content.value_V >> VALUE_BITS
    cell_V = content.item_V * num_fields + field_V
    size_C = torch.bincount(cell_V, minlength=num_items * num_fields)
    scale_V = weight_F.index_select(0, field_V) * size_C.index_select(0, cell_V).rsqrt()
    summed_MD = torch.zeros(num_items, HASHED_WIDTH, device=weight_F.device)
    summed_MD = summed_MD.index_add(0, content.item_V, _signs(content.value_V) * scale_V.unsqueeze(1))
    return torch.nn.functional.normalize(summed_MD, dim=1)


def _signs(value_V: Tensor) -> Tensor:
    """float32[V, 64] of -1 and 1."""
    mixed_V = _shifted(value_V.long(), 30) * _FIRST
    mixed_V = _shifted(_shifted(mixed_V, 27) * _SECOND, 31)
    bits_VD = (mixed_V.unsqueeze(1) >> torch.arange(HASHED_WIDTH, device=value_V.device)) & 1
    return bits_VD.float() * 2 - 1


def _shifted(value_V: Tensor, num_bits: int) -> Tensor:
    """X ^ (x >> bits), as of unsigned numbers."""
    return value_V ^ ((value_V >> num_bits) & ((1 << (64 - num_bits)) - 1))
