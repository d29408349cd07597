"""The ordered features of the ranker: one list for capture, training and serving, hashed into every checkpoint.

Features come in three parts, so that the first layer can be computed part by part: the user's once per request, the
item's once per item, the cross part per row. Fields of the catalogue are declared, never hard-coded.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["EVENT_KINDS", "HORIZONS", "FeatureSchema"]

# Decayed counters: half-lives after the public values of a large feed (peers.md 1.4: 30 min to 72 h).
HORIZONS: dict[str, int] = {"30m": 1_800_000, "24h": 86_400_000, "7d": 604_800_000}
# What the decayed counters count, in order.
EVENT_KINDS: tuple[str, ...] = ("impression", "view", "click", "cart", "order", "dislike")


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """Names of the features, in order, by part. `user_U`, `item_I`, `cross_X` arrays follow these orders.

    `content` and `dense` are what the catalogue says of an item (content.py). `vector_widths`: of each vector field.
    """

    affinity_fields: tuple[str, ...]
    number_fields: tuple[str, ...]
    text_fields: tuple[str, ...] = ()
    vector_fields: tuple[str, ...] = ()
    vector_widths: tuple[int, ...] = ()

    @property
    def user(self) -> tuple[str, ...]:
        """Features of the user alone (U)."""
        decayed = [f"user_log_{kind}s_{h}" for h in HORIZONS for kind in EVENT_KINDS[:5]]
        return (
            "user_click_logit",
            "user_log_slates",
            *decayed,
            "user_log_session_actions",
            "user_log_idle_s",
            "hour_sin",
            "hour_cos",
        )

    @property
    def item(self) -> tuple[str, ...]:
        """Features of the item alone (I)."""
        horizons = [f"item_{what}_{h}" for h in HORIZONS for what in ("click_logit", "log_clicks")]
        numbers = [f"{what}_{field}" for field in self.number_fields for what in ("number", "missing")]
        return (
            "item_click_logit",
            "item_log_impressions",
            "item_log_views",
            *horizons,
            "item_cart_logit",
            "item_order_logit",
            "item_dislike_logit",
            "item_log_mean_dwell_s",
            "is_coupon",
            "is_ad",
            *numbers,
        )

    @property
    def cross(self) -> tuple[str, ...]:
        """Features of the pair, the query and the request (X)."""
        fields = [f"{what}_{field}" for field in self.affinity_fields for what in ("rate", "clicks", "affinity")]
        return (
            *fields,
            "co_click",
            "log_times_shown",
            "log_times_clicked",
            "log_since_shown_s",
            "log_price_ratio",
            "query_overlap",
            "relevance",
        )

    @property
    def base_column(self) -> int:
        """The item's smoothed click log-odds among the item features."""
        return self.item.index("item_click_logit")

    @property
    def content(self) -> tuple[str, ...]:
        """Fields whose values are hashed: the category first, then the other sets, then the words of texts."""
        return tuple(dict.fromkeys(("category", *self.affinity_fields, *self.text_fields)))

    @property
    def dense(self) -> tuple[str, ...]:
        """Columns of an item's numbers, then of its vectors (D)."""
        widths = zip(self.vector_fields, self.vector_widths, strict=True)
        return (*self.number_fields, *(f"{field}_{k}" for field, width in widths for k in range(width)))

    @property
    def hash(self) -> str:
        """12 hex digits over all names in order."""
        return _hash(self)


@lru_cache(maxsize=16)
def _hash(schema: FeatureSchema) -> str:
    """Remembered, as every shown slate carries it."""
    names = json.dumps([schema.user, schema.item, schema.cross, schema.content, schema.dense])
    return hashlib.sha256(names.encode()).hexdigest()[:12]
