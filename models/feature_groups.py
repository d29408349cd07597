"""Which cross features belong together, for explanations: one group per catalogue field, and a few by meaning."""

from models.feature_schema import FeatureSchema

__all__ = ["cross_groups"]

BY_MEANING = {
    "co_click": "co_click",
    "log_times_shown": "seen_before",
    "log_times_clicked": "seen_before",
    "log_since_shown_s": "seen_before",
    "log_price_ratio": "price",
    "query_overlap": "query",
    "relevance": "relevance",
}


def cross_groups(schema: FeatureSchema) -> dict[str, list[int]]:
    """Columns of the cross features by group, each column once: affinity fields first, then groups by meaning."""
    by_name = {f"{what}_{field}": field for field in schema.affinity_fields for what in ("rate", "clicks", "affinity")}
    groups: dict[str, list[int]] = {}
    for column, name in enumerate(schema.cross):
        groups.setdefault(by_name.get(name) or BY_MEANING.get(name, name), []).append(column)
    return groups
