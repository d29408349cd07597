"""How differently two models score the same rows: population stability index, and who leads each list. No labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ScoreDrift", "score_drift"]

Float64 = NDArray[np.float64]
NUM_BINS = 10
# Below, ten bins are filled by chance.
MIN_ROWS = 200
TOP = 10


@dataclass(frozen=True, slots=True)
class ScoreDrift:
    """`psi`: sum of (b - a) ln(b / a) over ten bins of equal mass of the champion's scores.

    None on too few rows, and when the champion's are not finite. `top_overlap`: mean share of the first ten of a list
    (the first half of a shorter one) that both models put there.
    """

    rows: int
    psi: float | None
    top_overlap: float | None


def score_drift(before_N: Float64, after_N: Float64, slate_N: NDArray[np.int64]) -> ScoreDrift:
    """Of finite scores of the same rows under champion and challenger."""
    is_enough = len(before_N) >= MIN_ROWS and bool(np.isfinite(before_N).all())
    return ScoreDrift(
        rows=len(before_N),
        psi=_psi(before_N, after_N) if is_enough else None,
        top_overlap=_top_overlap(before_N, after_N, slate_N),
    )


def _psi(before_N: Float64, after_N: Float64) -> float:
    edges = np.unique(np.quantile(before_N, np.arange(1, NUM_BINS) / NUM_BINS))
    before, after = (_shares(np.searchsorted(edges, p_N, side="right"), len(edges) + 1) for p_N in (before_N, after_N))
    return float(((after - before) * np.log(after / before)).sum())


def _shares(bin_N: NDArray[np.int64], num_bins: int) -> Float64:
    """Of rows by bin, with half a row more in each: an empty one would be infinitely far."""
    shares: Float64 = (np.bincount(bin_N, minlength=num_bins).astype(np.float64) + 0.5) / (len(bin_N) + 0.5 * num_bins)
    return shares


def _top_overlap(before_N: Float64, after_N: Float64, slate_N: NDArray[np.int64]) -> float | None:
    shares = []
    for slate in np.unique(slate_N):
        rows = np.flatnonzero(slate_N == slate)
        num = min(TOP, len(rows) // 2)
        if num:
            tops = [set(rows[np.argsort(-p_N[rows], kind="stable")[:num]].tolist()) for p_N in (before_N, after_N)]
            shares.append(len(tops[0] & tops[1]) / num)
    return float(np.mean(shares)) if shares else None
