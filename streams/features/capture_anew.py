"""Features computed from records alone: what a worker that has just read its state back would serve.

User and item counts are written as records and read into an item table of their own, so that whatever memory keeps
beside the records (sums over sources, caches, numbers of values) cannot hide a mistake. Costs tens of milliseconds.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.features.capture import Captured, Request, capture
from streams.features.count_record import decode_counts
from streams.features.cross_features import RECENT_CLICKS
from streams.features.items import CLICKS, IMPRESSIONS, ItemTable
from streams.features.user_record import decode_user, encode_user
from streams.features.user_state import UserState

__all__ = ["capture_anew"]


def capture_anew(
    user: UserState, items: ItemTable, slots: NDArray[np.int32], now_ms: int, request: Request
) -> Captured:
    """What `capture` gives, from records. Reads state and changes none."""
    table = ItemTable(items.fields, len(items.sources))
    # Lists under way are no feature.
    again = decode_user(encode_user(msgspec.structs.replace(user, offers=[]), items), table)
    places = table.slots([items.item_ids[slot] for slot in slots.tolist()])
    clicked = {table.item_ids[slot] for slot in again.recently_clicked(RECENT_CLICKS)}
    for item_id in table.item_ids[1:]:
        slot = items.find(item_id)
        if slot is not None:
            table.take_over(items, slot)
            _count(table, items, slot, has_neighbours=item_id in clicked)
    totals = sum(source.totals[: len(source.row_of)].sum(axis=0) for source in items.sources)
    table.assume_shown(int(np.asarray(totals)[IMPRESSIONS]), int(np.asarray(totals)[CLICKS]))
    relevance = {table.slot(items.item_ids[slot]): value for slot, value in (request.relevance or {}).items()}
    return capture(again, table, places, now_ms, Request(request.query, relevance))


def _count(table: ItemTable, items: ItemTable, slot: int, *, has_neighbours: bool) -> None:
    """Take the item's records of all sources. Neighbours are items as well, many, and wanted of few."""
    for number, source in enumerate(items.sources):
        if slot in source.row_of:
            record = source.record(slot, items.item_ids, has_neighbours=has_neighbours)
            # As from disk.
            table.apply(number, [(items.item_ids[slot], decode_counts(msgspec.json.encode(record)))])
