"""Reads live rows the way any Feast program does: through the public SDK, from the run's feature repo.

For checks from outside; the worker itself reads arrays, not SDK calls.
"""

from collections.abc import Sequence
from pathlib import Path

from feast import FeatureStore

from streams.features.rows import JOIN_KEYS

__all__ = ["read_rows"]

_ENTITIES_PER_CALL = 500


def read_rows(
    feature_repo: Path, view: str, entity_ids: Sequence[str], columns: Sequence[str]
) -> dict[str, dict[str, int | None]]:
    """Integer columns of a view by entity; None in every column of an entity that has no row."""
    store = FeatureStore(repo_path=str(feature_repo))
    features = [f"{view}:{column}" for column in columns]
    rows: dict[str, dict[str, int | None]] = {}
    for start in range(0, len(entity_ids), _ENTITIES_PER_CALL):
        asked = list(entity_ids[start : start + _ENTITIES_PER_CALL])
        found = store.get_online_features(features, [{JOIN_KEYS[view]: one} for one in asked]).to_dict()
        for index, entity_id in enumerate(asked):
            rows[entity_id] = {column: found[column][index] for column in columns}
    return rows
