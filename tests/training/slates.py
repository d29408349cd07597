"""Small `shown` and `labels` records for the tests of the trainer."""

import numpy as np

from models.feature_schema import FeatureSchema
from streams.examples.records import Labels, Shown, encode_array

SCHEMA = FeatureSchema(affinity_fields=("category",), number_fields=("price",), text_fields=("title", "text"))
DAY_MS = 86_400_000
START_MS = 1_700_000_000_000


def features(first: float, num_rows: int, width: int) -> np.ndarray:
    return np.arange(first, first + num_rows * width, dtype=np.float32).reshape(num_rows, width)


def shown(
    slate_id: str, items: str = "ab", *, part: int = 0, at_ms: int = START_MS, user_id: str = "u",
    feature_schema: str = SCHEMA.hash, first: float = 0.0,
) -> Shown:  # fmt: skip
    """Each letter of `items` is an item; features count up from `first`."""
    return Shown(
        slate_id=slate_id,
        user_id=user_id,
        surface="home",
        shown_at_ms=at_ms,
        items=list(items),
        positions=[10 * part + k for k in range(len(items))],
        kinds=["ad" if item == "z" else "product" for item in items],
        feature_schema=feature_schema,
        user=encode_array(features(first, 1, len(SCHEMA.user))),
        item=encode_array(features(first, len(items), len(SCHEMA.item))),
        cross=encode_array(features(first, len(items), len(SCHEMA.cross))),
        part=part,
    )


def labels(
    slate_id: str, task: str, values: dict[str, float], *, revision: int = 1, at_ms: int = START_MS, user_id: str = "u",
    censored: list[bool] | None = None, is_closed: bool = True,
) -> Labels:  # fmt: skip
    return Labels(
        slate_id=slate_id,
        user_id=user_id,
        task=task,
        revision=revision,
        items=list(values),
        values=[float(value) for value in values.values()],
        censored=censored,
        is_closed=is_closed,
        shown_at_ms=at_ms,
        watermark_ms=at_ms,
    )
