"""How far two captures of the same features are apart, feature by feature: what was served, and what it should be."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FeatureSkew"]

Float32 = NDArray[np.float32]


class FeatureSkew:
    """Counts per feature, in the order of `names` (F): values compared, those not equal, the largest difference.

    Two missing values (NaN) are equal; a missing one beside a number is infinitely far away.
    `tolerance`: values closer than this share of the larger (of 1 for small ones) are equal; 0: bit by bit.
    """

    def __init__(self, names: Sequence[str], tolerance: float = 0.0) -> None:
        self.names = tuple(names)
        self._tolerance = tolerance
        self.num_F = np.zeros(len(names), np.int64)
        self.num_different_F = np.zeros(len(names), np.int64)
        self.max_difference_F = np.zeros(len(names))

    def add(self, first_NF: Float32, second_NF: Float32) -> None:
        """Compare N rows. Both float32[N, F]."""
        first, second = first_NF.astype(np.float64), second_NF.astype(np.float64)
        is_missing = np.isnan(first) & np.isnan(second)
        apart = np.where(is_missing | (first == second), 0.0, np.abs(first - second))
        apart[np.isnan(apart)] = np.inf
        size = np.nan_to_num(np.maximum(np.maximum(np.abs(first), np.abs(second)), 1.0), nan=1.0)
        self.num_F += len(first)
        self.num_different_F += (apart > self._tolerance * size).sum(axis=0)
        self.max_difference_F = np.maximum(self.max_difference_F, apart.max(axis=0, initial=0.0))

    @property
    def is_equal(self) -> bool:
        """No value differed."""
        return not self.num_different_F.any()

    def to_json(self) -> dict[str, dict[str, Any]]:
        """By feature: values, equal ones, largest difference (None where one side alone had no value)."""
        return {
            name: {
                "values": int(num),
                "equal": int(num - different),
                "max_difference": float(apart) if np.isfinite(apart) else None,
            }
            for name, num, different, apart in zip(
                self.names, self.num_F, self.num_different_F, self.max_difference_F, strict=True
            )
        }
