"""Vectors of items by id: one flat table of a fixed number of rows, most of them earned, the first by category.

An item without a row of its own has its category's, moved by a small linear map of its content; when it earns one, the
row starts there, so nothing jumps. The table is counted and stepped by id_learner.py, not by the optimiser: it is a
buffer, travels with the version, and is not averaged.
"""

import torch
from torch import Tensor, nn

from models.content import VALUE_BITS, Content
from models.hashed_values import HASHED_WIDTH, hashed_values

__all__ = ["FREE", "IdTable"]

# In place of an id in a row that nobody has; above all ids, so that free rows are last in order.
FREE = torch.iinfo(torch.int64).max
# Of all rows, those shared by categories; at most so many.
SHARED_FRAC, MAX_SHARED = 0.125, 1024
# The category is the first field of the content (FeatureSchema.content).
CATEGORY = 0


class IdTable(nn.Module):
    """R rows of W numbers; rows before `num_shared` belong to buckets of categories.

    `key_E` int64, ascending: ids with a row of their own, then FREE; `row_E` int64: the row of each, and the free rows.
    Raises ValueError for a table too small to have a row of each kind.
    """

    key_E: Tensor
    row_E: Tensor
    embedding_RW: Tensor
    weight_F: Tensor

    def __init__(self, num_rows: int, width: int, num_fields: int) -> None:
        super().__init__()
        self.num_shared = min(max(int(num_rows * SHARED_FRAC), 1), MAX_SHARED)
        if num_rows <= self.num_shared or width < 1:
            raise ValueError(f"an id table of {num_rows} rows of {width}; give it at least 2 rows of 1, or none")
        num_earned = num_rows - self.num_shared
        self.register_buffer("key_E", torch.full((num_earned,), FREE))
        self.register_buffer("row_E", torch.arange(self.num_shared, num_rows))
        self.register_buffer("embedding_RW", torch.zeros(num_rows, width))
        self.register_buffer("weight_F", torch.ones(num_fields), persistent=False)
        self.content_DW = nn.Parameter(torch.zeros(HASHED_WIDTH, width))

    def places(self, id_M: Tensor) -> tuple[Tensor, Tensor]:
        """int64[M], bool[M]: the place of each id among the keys, and whether it is there at all."""
        place_M = torch.searchsorted(self.key_E, id_M).clamp(max=len(self.key_E) - 1)
        return place_M, self.key_E[place_M] == id_M

    def rows_of(self, content: Content) -> tuple[Tensor, Tensor]:
        """int64[M], bool[M]: the row of each item, and whether it is its own."""
        place_M, is_own_M = self.places(content.id_M)
        return torch.where(is_own_M, self.row_E[place_M], self._shared_rows(content)), is_own_M

    def forward(self, content: Content) -> Tensor:
        """float32[M, W]. Gradients reach the map of the content; those of the table are id_learner.py's."""
        row_M, is_own_M = self.rows_of(content)
        start_MW = hashed_values(content, self.weight_F) @ self.content_DW
        return self.embedding_RW.index_select(0, row_M) + torch.where(is_own_M.unsqueeze(1), 0.0, start_MW)

    def _shared_rows(self, content: Content) -> Tensor:
        """int64[M]: by the item's first category; row 0 when it has none."""
        is_category_V = (content.value_V >> VALUE_BITS) == CATEGORY
        hash_V = content.value_V[is_category_V] & ((1 << VALUE_BITS) - 1)
        shared_V = 1 + hash_V % max(self.num_shared - 1, 1) if self.num_shared > 1 else torch.zeros_like(hash_V)
        row_M = torch.zeros_like(content.id_M)
        # Of several categories the one with the smallest bucket: the same whatever their order.
        least_M = torch.full_like(row_M, FREE).scatter_reduce_(0, content.item_V[is_category_V], shared_V, "amin")
        return torch.where(least_M == FREE, row_M, least_M)
