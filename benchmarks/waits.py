"""Waits in milliseconds as the figures of a report, and many waits in one array."""

import math
from collections.abc import Iterable

import numpy as np

__all__ = ["percentiles_ms", "rounded"]

PERCENTILES = (50, 95, 99)
DIGITS = 4


def percentiles_ms(waits_ms: Iterable[float]) -> dict[str, float | None]:
    """p50, p95, p99, the longest, and how many there are; None without any."""
    held = np.fromiter(waits_ms, np.float64)
    if not len(held):
        return {**{f"p{p}_ms": None for p in PERCENTILES}, "max_ms": None, "num": 0}
    found = zip(PERCENTILES, np.percentile(held, PERCENTILES).tolist(), strict=True)
    return {**{f"p{p}_ms": rounded(value) for p, value in found}, "max_ms": rounded(held.max()), "num": len(held)}


def rounded(value: float) -> float:
    """To so many digits that matter; what is not finite stays."""
    if not math.isfinite(value) or value == 0:
        return float(value)
    return round(float(value), DIGITS - 1 - math.floor(math.log10(abs(value))))
