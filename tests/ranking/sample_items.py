"""A small item table with stated counts, for tests of ranking."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.feature_schema import EVENT_KINDS
from streams.features.items import ItemTable
from streams.settings import CatalogueFields

NOW_MS = 1_750_000_000_000
SOURCE = 0
CLICK = EVENT_KINDS.index("click")


def item_table(catalogue: Sequence[Mapping[str, Any]]) -> ItemTable:
    """Items catalogued a second apart, the first one first; one source of counts."""
    items = ItemTable(CatalogueFields(), num_sources=1)
    for place, item in enumerate(catalogue):
        items.upsert(item, NOW_MS - 86_400_000 + 1000 * place)
    return items


def numbered(count: int, **fields: Any) -> list[dict[str, Any]]:
    """`count` items i0, i1, ... with the same fields."""
    return [{"item_id": f"i{number}", **fields} for number in range(count)]


def click(items: ItemTable, item_id: str, times: int = 1, at_ms: int = NOW_MS) -> None:
    """Count clicks on an item."""
    for _ in range(times):
        items.count(SOURCE, [items.slot(item_id)], CLICK, at_ms)


def co_click(items: ItemTable, item_id: str, others: Sequence[str]) -> None:
    """Users who clicked `others` clicked the item."""
    items.add_co_click(SOURCE, items.slot(item_id), [items.slot(other) for other in others], NOW_MS)


def ids(items: ItemTable, slots: Sequence[int]) -> list[str]:
    """Item ids of slots."""
    return [items.item_ids[slot] for slot in slots]
