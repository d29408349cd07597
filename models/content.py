"""What the catalogue says of items, as the model takes it: hashed field values, and numbers and vectors beside them.

A value is a field and 24 bits of hash, so that any text has a number without a shared dictionary, and the same one on
every machine. What a value is worth (rarity, learned directions) is for the model to know; nothing is weighted here.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["MAX_FIELDS", "NO_ITEM", "VALUE_BITS", "Content", "item_hash", "value_code"]

# Two of a million values of a field share a code with chance 1 in 17 each; a byte more would not fit in 32 bits.
VALUE_BITS = 24
MAX_FIELDS = 127
# In place of an item's row: no item, or one whose content is not known.
NO_ITEM = -1


@lru_cache(maxsize=1 << 18)
def value_code(field: int, text: str) -> int:
    """int32 of a field's value: the field above, 24 bits of blake2b below."""
    digest = hashlib.blake2b(text.encode(), digest_size=3).digest()
    return field << VALUE_BITS | int.from_bytes(digest, "big")


def item_hash(item_id: str) -> int:
    """63 bits of blake2b of an item id."""
    return int.from_bytes(hashlib.blake2b(item_id.encode(), digest_size=8).digest(), "big") >> 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """M items. `id_M` int64 (`item_hash`); `value_V` int64 codes of all items in a row, `item_V` int64 whose each is.

    `dense_MD` float32: declared numbers, then vectors, NaN where missing (`FeatureSchema.dense`).
    """

    id_M: Tensor
    value_V: Tensor
    item_V: Tensor
    dense_MD: Tensor

    @property
    def num_items(self) -> int:
        """M."""
        return len(self.id_M)

    @classmethod
    def empty(cls, num_dense: int = 0) -> Self:
        """No items."""
        none = torch.empty(0, dtype=torch.int64)
        return cls(id_M=none, value_V=none, item_V=none, dense_MD=torch.empty(0, num_dense))

    @classmethod
    def of_items(
        cls, ids: Sequence[int], code_V: Sequence[NDArray[np.int32]], dense_D: Sequence[NDArray[np.float32]]
    ) -> "Content":
        """M items, at least one: hashes of their ids, the codes of each, the numbers and vectors of each."""
        sizes = [len(codes) for codes in code_V]
        return cls(
            id_M=torch.tensor(ids, dtype=torch.int64),
            value_V=torch.from_numpy(np.concatenate(code_V).astype(np.int64)),
            item_V=torch.from_numpy(np.repeat(np.arange(len(ids)), sizes)),
            dense_MD=torch.from_numpy(np.stack(dense_D).astype(np.float32)),
        )

    @classmethod
    def concat(cls, contents: Sequence["Content"]) -> "Content":
        """All items one after the other; an item in two of them is there twice."""
        starts = _starts([content.num_items for content in contents])
        items = [content.item_V + start for content, start in zip(contents, starts, strict=True)]
        return cls(
            id_M=torch.cat([content.id_M for content in contents]),
            value_V=torch.cat([content.value_V for content in contents]),
            item_V=torch.cat(items),
            dense_MD=torch.cat([content.dense_MD for content in contents]),
        )

    def each(self, change: Callable[[Tensor], Tensor]) -> "Content":
        """The same with every tensor changed."""
        return Content(**{one.name: change(getattr(self, one.name)) for one in fields(self)})

    def to(self, device: torch.device | str) -> "Content":
        """The same on `device`."""
        return self.each(lambda tensor: tensor.to(device, non_blocking=True))


def _starts(sizes: Sequence[int]) -> list[int]:
    starts = [0]
    for size in sizes[:-1]:
        starts.append(starts[-1] + size)
    return starts
