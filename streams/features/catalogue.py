"""Catalogue columns by slot: kind, price, stock, declared numbers, and the values of declared affinity fields.

Values of affinity fields (strings and lists of strings) are interned to integers over all fields, so that a user's
leaning towards a field's values is array arithmetic.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from streams.features.item_content import ItemContent, content_of, field_value, no_content, values_of
from streams.features.value_lists import ValueLists
from streams.settings import CatalogueFields

__all__ = ["KINDS", "CatalogueColumns"]

KINDS: tuple[str, ...] = ("product", "coupon", "ad")
COLUMNS = (
    "is_known",
    "in_stock",
    "kind",
    "price",
    "bid",
    "category",
    "first_seen_ms",
    "number",
    "content_epoch",
    "place_of_slot",
)
# A user's record keeps 64 values of each field as text; one text may fill a record of its own.
MAX_VALUE_CHARS = 256


class CatalogueColumns:
    """Items by slot, as the catalogue describes them. Arrays are valid for `[:n]`.

    `number`: float32[n, number fields], NaN where missing. `value_ids[slot]`: int32 ids of the item's field values.
    `field_of[value id]`: index of the value's affinity field, `field_index` the same as a list. `values[value id]`: its
    text. `contents[slot]`: what the ranker reads of the item; `content_epoch[slot]` grows when that changes.
    `place_of_slot`, `place_of_value`: scratch of whoever looks for slots or values in a list (cross_kernel.py).
    """

    def __init__(self, fields: CatalogueFields) -> None:
        self.fields = fields
        self.item_ids: list[str] = []
        self._slot_of: dict[str, int] = {}
        self.is_known: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.in_stock: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.kind: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.price: NDArray[np.float32] = np.zeros(0, np.float32)
        self.bid: NDArray[np.float32] = np.zeros(0, np.float32)
        self.category: NDArray[np.int32] = np.zeros(0, np.int32)
        self.first_seen_ms: NDArray[np.int64] = np.zeros(0, np.int64)
        self.number: NDArray[np.float32] = np.zeros((0, len(fields.numbers)), np.float32)
        self.content_epoch: NDArray[np.int32] = np.zeros(0, np.int32)
        self.contents: list[ItemContent] = []
        self._schema = schema = fields.schema_
        self.schema_hash, self.item_width, self.cross_width = schema.hash, len(schema.item), len(schema.cross)
        self._no_content = no_content(len(self._schema.dense))
        self.value_ids = ValueLists()
        self.texts: dict[int, str] = {}
        self.values: list[str] = []
        self.field_index: list[int] = []
        self.field_of: NDArray[np.int16] = np.zeros(64, np.int16)
        self.place_of_value: NDArray[np.int32] = np.zeros(64, np.int32)
        self.place_of_slot: NDArray[np.int32] = np.zeros(0, np.int32)
        self._value_id: dict[tuple[int, str], int] = {}
        self._category_id: dict[str, int] = {}

    @property
    def n(self) -> int:
        """Number of slots in use."""
        return len(self.item_ids)

    def slot(self, item_id: str) -> int:
        """The slot of an item id, made when new."""
        found = self._slot_of.get(item_id)
        if found is None:
            found = self._slot_of[item_id] = len(self.item_ids)
            if found >= len(self.is_known):
                self._grow(max(1024, 2 * found))
            self.item_ids.append(item_id)
            self.contents.append(self._no_content)
            self.price[found] = self.bid[found] = np.nan
            self.number[found] = np.nan
            self.category[found] = -1
            self.in_stock[found] = True
        return found

    def find(self, item_id: str) -> int | None:
        """The slot of an item id; None when it was never met, so that asking costs no memory."""
        return self._slot_of.get(item_id)

    def slots(self, item_ids: Sequence[str]) -> NDArray[np.int32]:
        """int32[n] slots, made when new."""
        return np.array(self.slot_list(item_ids), np.int32)

    def slot_list(self, item_ids: Sequence[str]) -> list[int]:
        """The same as a list."""
        found = list(map(self._slot_of.get, item_ids))
        return [self.slot(item_id) for item_id in item_ids] if None in found else cast("list[int]", found)

    def _grow(self, capacity: int) -> None:
        for name in COLUMNS:
            old = getattr(self, name)
            new = np.zeros((capacity, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
        self.value_ids.grow(capacity)

    def upsert(self, item: Mapping[str, Any], seen_at_ms: int) -> int:
        """Take an item's fields as they are now; what the record leaves out is unknown. Returns the slot."""
        slot = self.slot(item["item_id"])
        if not self.first_seen_ms[slot]:
            self.first_seen_ms[slot] = seen_at_ms
        self.is_known[slot] = True
        self.in_stock[slot] = item.get("in_stock", True)
        self.kind[slot] = KINDS.index(item.get("kind", "product"))
        self.price[slot] = item.get("price", np.nan)
        self.bid[slot] = item.get("bid", np.nan)
        category = item.get("category")
        if category:
            self.category[slot] = self._category_id.setdefault(category, len(self._category_id))
        else:
            self.category[slot] = -1
        self.number[slot] = [_number(field_value(item, name)) for name in self.fields.numbers]
        self.value_ids[slot] = self._intern(item)
        self.texts[slot] = " ".join(_words(item))
        self.contents[slot] = content_of(item, self._schema)
        self.content_epoch[slot] += 1
        return slot

    def remove(self, item_id: str) -> int:
        """Take an item out of the catalogue: no candidate any more, but its fields stay for lists still shown."""
        slot = self.slot(item_id)
        self.is_known[slot] = False
        return slot

    def take_over(self, other: "CatalogueColumns", slot: int) -> int:
        """An item as another table describes it, with value ids of this one; returns its slot here."""
        here = self.slot(other.item_ids[slot])
        for name in COLUMNS:
            if name != "place_of_slot":
                getattr(self, name)[here] = getattr(other, name)[slot]
        values = other.value_ids[slot].tolist()
        self.value_ids[here] = [self.value_id(int(other.field_of[v]), other.values[v]) for v in values]
        self.contents[here] = other.contents[slot]
        if slot in other.texts:
            self.texts[here] = other.texts[slot]
        return here

    def _intern(self, item: Mapping[str, Any]) -> list[int]:
        ids: list[int] = []
        for index, name in enumerate(self.fields.affinity):
            texts = (text[:MAX_VALUE_CHARS] for text in values_of(field_value(item, name)))
            ids += dict.fromkeys(self.value_id(index, text) for text in texts)
        return ids

    def value_id(self, field: int, text: str) -> int:
        """The id of a field's value, made when new."""
        found = self._value_id.get((field, text))
        if found is None:
            found = self._value_id[field, text] = len(self.values)
            if found >= len(self.field_of):
                self.field_of = np.concatenate([self.field_of, np.zeros(found, np.int16)])
                self.place_of_value = np.zeros(2 * found, np.int32)
            self.field_of[found] = field
            self.values.append(text)
            self.field_index.append(field)
        return found


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _words(item: Mapping[str, Any]) -> list[str]:
    named = (item.get(name) for name in ("title", "category", "brand", "text"))
    return [str(text) for text in named if text] + [str(tag) for tag in item.get("tags", ())]
