"""A seeded shop with sixty items and a user who did a lot, for tests of whole feature arrays."""

from typing import Any

import numpy as np

from streams.features.answers import Answers
from streams.features.items import ItemTable
from streams.features.user_state import UserState
from streams.settings import CatalogueFields
from tests.features.sample_shop import CLICK, DAY_MS, IMPRESSION, NOW_MS

NUM_ITEMS = 60


def busy_shop(fields: CatalogueFields, seed: int = 5) -> tuple[UserState, ItemTable]:
    """A user and the items, in the middle of things; three items were never catalogued."""
    rng = np.random.default_rng(seed)
    items, user = ItemTable(fields, 1), UserState("u1")
    for n in range(NUM_ITEMS):
        described: dict[str, Any] = {
            "category": f"c{n % 5}",
            "tags": [f"t{n % 7}", f"t{n % 11}"],
            "title": f"word{n % 3}",
        }
        if n % 4:
            described["price"] = 1.0 + n
        items.slot(f"i{n}") if n % 20 == 19 else items.upsert({"item_id": f"i{n}", **described}, NOW_MS)
    for step in range(300):
        slot, kind = int(rng.integers(1, NUM_ITEMS + 1)), int(rng.choice(6, p=[0.6, 0.1, 0.15, 0.07, 0.03, 0.05]))
        at_ms = NOW_MS + int(rng.integers(0, DAY_MS))
        items.count_one(0, slot, kind, at_ms)
        user.count(kind, at_ms)
        user.touch(at_ms, None)
        if kind == IMPRESSION:
            user.add_answers(Answers(f"s{step}", "home", at_ms, [slot], [int(rng.integers(-1, 2))], [-2.5]))
            continue
        user.lean(items, slot, float(kind), at_ms)
        if kind == CLICK:
            items.add_co_click(0, slot, [other for other in user.recently_clicked(8) if other != slot], at_ms)
            items.add_dwell(0, slot, int(rng.integers(1, 60_000)), at_ms)
            user.price_sum, user.num_prices = (
                user.price_sum + float(np.nan_to_num(items.price[slot])),
                user.num_prices + 1,
            )
        user.add_action(slot, kind, at_ms)
    return user, items
