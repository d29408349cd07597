"""A shop of three items with declared fields, for tests of counters and features."""

import numpy as np
from numpy.typing import NDArray

from streams.features.items import ItemTable
from streams.settings import CatalogueFields

NOW_MS = 1_750_000_000_000
HALF_HOUR_MS, DAY_MS, WEEK_MS = 1_800_000, 86_400_000, 604_800_000
IMPRESSION, VIEW, CLICK, CART, ORDER, DISLIKE = range(6)
FIELDS = CatalogueFields(affinity=("category", "tags"), numbers=("price", "weight"))
ITEMS = (
    {"item_id": "tea", "category": "drinks", "tags": ["hot", "leaf"], "price": 3.0, "title": "Green tea"},
    {"item_id": "ale", "category": "drinks", "tags": ["cold"], "price": 7.0, "fields": {"weight": -1.5}},
    {"item_id": "cup", "category": "ware", "tags": ["hot"], "kind": "coupon"},
)


def shop(num_sources: int = 1, fields: CatalogueFields = FIELDS) -> ItemTable:
    """Tea, ale and cup in slots 1, 2 and 3; nothing counted."""
    items = ItemTable(fields, num_sources)
    for item in ITEMS:
        items.upsert(item, NOW_MS)
    return items


def slots(*numbers: int) -> NDArray[np.int32]:
    """Slots as an array."""
    return np.array(numbers, np.int32)
