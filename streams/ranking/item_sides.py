"""What a version says of items alone, kept from list to list until the version or the item's content changes."""

import torch

from models.content import NO_ITEM, Content, item_hash
from models.item_side import ItemSide
from models.ranker import Ranker
from streams.features.catalogue import CatalogueColumns

__all__ = ["ItemSides"]

# Beyond so many items all are computed anew: about a kB each.
MAX_ITEMS = 500_000
# Rows at first. When they are full there is room for twice as many: copying all for every new item costs far more.
FIRST_ITEMS = 1024


class ItemSides:
    """Of one version. Items are asked for by the worker's slots.

    `num_kept`: items computed, those with content of before included.
    """

    num_kept: int

    def __init__(self, ranker: Ranker, max_items: int = MAX_ITEMS) -> None:
        self._ranker, self._max_items = ranker, max_items
        self._forget()

    def _forget(self) -> None:
        self._row_of = torch.empty(0, dtype=torch.int64)
        self._epoch_of = torch.empty(0, dtype=torch.int64)
        self._kept, self.num_kept = self._ranker.item_side(Content.empty(len(self._ranker.schema.dense))), 0

    @torch.inference_mode()
    def of(self, slot_M: torch.Tensor, items: CatalogueColumns) -> ItemSide:
        """Sides of M different slots, in their order."""
        if self.num_kept + len(slot_M) > self._max_items:
            self._forget()
        self._grow(items.n)
        epoch_M = torch.from_numpy(items.content_epoch)[slot_M].long()
        stale_M = slot_M[(self._row_of[slot_M] == NO_ITEM) | (self._epoch_of[slot_M] != epoch_M)]
        if len(stale_M):
            self._compute(stale_M, items)
        return self._kept.take(self._row_of[slot_M])

    def _grow(self, num: int) -> None:
        missing = num - len(self._row_of)
        if missing > 0:
            more = max(missing, len(self._row_of))
            self._row_of = torch.cat([self._row_of, torch.full((more,), NO_ITEM)])
            self._epoch_of = torch.cat([self._epoch_of, torch.full((more,), -1)])

    def _compute(self, slot_M: torch.Tensor, items: CatalogueColumns) -> None:
        """An item computed anew leaves its former row unused, until all are."""
        slots = slot_M.tolist()
        contents = [items.contents[slot] for slot in slots]
        content = Content.of_items(
            [item_hash(items.item_ids[slot]) for slot in slots],
            [one.code_V for one in contents],
            [one.dense_D for one in contents],
        )
        self._epoch_of[slot_M] = torch.from_numpy(items.content_epoch)[slot_M].long()
        self._row_of[slot_M] = torch.arange(self.num_kept, self.num_kept + len(slots))
        self._keep(self._ranker.item_side(content))

    def _keep(self, side: ItemSide) -> None:
        needed = self.num_kept + len(side)
        if needed > len(self._kept):
            self._kept = self._kept.resized(max(needed, 2 * len(self._kept), FIRST_ITEMS))
        self._kept.put(self.num_kept, side)
        self.num_kept = needed
