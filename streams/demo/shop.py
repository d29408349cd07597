"""The shop of the seeded world: what it sells, as arrays for the simulation and as records for `catalogue`.

Everything here is visible to the ranker except `appeal_I`, which is hidden and shows only in what shoppers do.
Letters: I items, C categories, B brands, T tags.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CATEGORIES", "Shop", "make_shop"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

CATEGORIES = ("shoes", "coats", "books", "lamps", "games", "garden", "coffee", "bikes")
_BRANDS = (
    "Alder", "Birk", "Corvo", "Dune", "Elmo", "Fjord", "Grano", "Halo", "Ibis", "Juno", "Kelp", "Lumen",
    "Moss", "Nord", "Opal", "Pico", "Quill", "Reed", "Sola", "Terra", "Umbra", "Vela", "Wren", "Yarrow",
)  # fmt: skip
_TAGS = (
    "red", "blue", "green", "black", "white", "wooden", "steel", "linen", "leather", "vintage", "modern", "light",
    "sturdy", "compact", "large", "quiet", "bright", "warm", "outdoor", "travel", "kids", "gift", "handmade", "organic",
    "recycled", "limited", "classic", "sporty", "cosy", "simple",
)  # fmt: skip
_TAGS_PER_ITEM = 3
_PRICE_MEDIAN = 40.0
_PRICE_LOG_SPREAD = 0.8
_APPEAL_SPREAD = 0.5
KINDS = ("product", "coupon", "ad")


@dataclass(frozen=True, slots=True)
class Shop:
    """The catalogue in columns. `kind_I` indexes KINDS; `tag_IT` is a 0/1 matrix; `price_I` is nan for coupons."""

    item_ids: tuple[str, ...]
    kind_I: Int64
    category_I: Int64
    brand_I: Int64
    tag_IT: Float64
    price_I: Float64
    bid_I: Float64
    appeal_I: Float64

    @property
    def num_items(self) -> int:
        """How many items there are."""
        return len(self.item_ids)

    @property
    def num_brands(self) -> int:
        """How many brands there are."""
        return len(_BRANDS)

    def catalogue_item(self, item: int) -> dict[str, Any]:
        """The record for `catalogue` of the item with this index."""
        category, brand = CATEGORIES[self.category_I[item]], _BRANDS[self.brand_I[item]]
        tags = [_TAGS[tag] for tag in np.flatnonzero(self.tag_IT[item])]
        record: dict[str, Any] = {
            "item_id": self.item_ids[item],
            "kind": KINDS[self.kind_I[item]],
            "title": f"{brand} {' '.join(tags)} {category}",
            "category": category,
            "brand": brand,
            "tags": tags,
            "in_stock": True,
        }
        if np.isfinite(self.price_I[item]):
            record["price"] = round(float(self.price_I[item]), 2)
        if np.isfinite(self.bid_I[item]):
            record["bid"] = round(float(self.bid_I[item]), 2)
        return record


def make_shop(rng: np.random.Generator, num_items: int, coupon_frac: float, ad_frac: float) -> Shop:
    """A shop of `num_items` items, of which these shares are coupons (no price) and ads (with a bid)."""
    kind_I = np.zeros(num_items, np.int64)
    num_coupons, num_ads = int(num_items * coupon_frac), int(num_items * ad_frac)
    kind_I[:num_coupons] = 1
    kind_I[num_coupons : num_coupons + num_ads] = 2
    kind_I = rng.permutation(kind_I)
    tag_IT = np.zeros((num_items, len(_TAGS)))
    for item in range(num_items):
        tag_IT[item, rng.choice(len(_TAGS), _TAGS_PER_ITEM, replace=False)] = 1.0
    price_I = _PRICE_MEDIAN * np.exp(rng.normal(0.0, _PRICE_LOG_SPREAD, num_items))
    return Shop(
        item_ids=tuple(f"item-{item:04d}" for item in range(num_items)),
        kind_I=kind_I,
        category_I=rng.integers(0, len(CATEGORIES), num_items),
        brand_I=rng.integers(0, len(_BRANDS), num_items),
        tag_IT=tag_IT,
        price_I=np.where(kind_I == KINDS.index("coupon"), np.nan, price_I),
        bid_I=np.where(kind_I == KINDS.index("ad"), rng.gamma(2.0, 0.1, num_items), np.nan),
        appeal_I=rng.normal(0.0, _APPEAL_SPREAD, num_items),
    )
