"""What the engine hands to ranking: one list to score, with the features captured for it.

Features are captured before scoring, so that the same values travel with the training example; nothing is looked up
here. Items named in an `exclude` list are left out before a task is made.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streams.features.user_history import UserHistory

__all__ = ["RankTask"]

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RankTask:
    """N items to score for one user and surface. Widths U, I and X follow the feature schema.

    `fallback_N` is the smoothed click rate, used as the click prediction while no model is loaded.
    `is_own`: we found the candidates, so filters, the diversity cap and exploration apply.
    `seen_N`: shown lately without a click, or clicked. `num_matched`: so many items at the front match the query of a
    search; they are placed before the others. `is_explained`: the list says why its first items are there.
    """

    slate_id: str
    user_id: str
    surface: str
    cause: Literal["event", "request", "model"]
    slots: NDArray[np.int32]
    user_U: Float32
    item_NI: Float32
    cross_NX: Float32
    history: UserHistory
    fallback_N: Float32
    is_own: bool
    k: int
    seen_N: NDArray[np.bool_]
    features_as_of_ms: int
    watermark_ms: int
    num_matched: int = 0
    is_explained: bool = False
