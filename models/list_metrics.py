"""Metrics of ranked lists, for all slates at once: one sort, then sums by slate; no loop over lists.

`slate` int[N] names the list of each row, in any order. Per-slate results follow the ascending numbers of the slates
and are NaN where a slate has no positive label: `np.nanmean` is the mean over the lists that can be judged.

Where scikit-learn has the metric, values are equal to its own, but for these conventions: equal scores rank by
position, the first shown first (its NDCG averages over their orders, and its reciprocal rank, which is its label
ranking average precision for one positive, takes the last place); labels are grades with gain 2^y - 1 (it takes gains);
a list without a positive is NaN (its is 0, or 1); a list of one row counts (it raises).
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["average_ranks", "gauc", "mrr", "ndcg_at_k"]

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]


def ndcg_at_k(y: Floats, p: Floats, slate: Integers, position: Integers, k: int) -> NDArray[np.float64]:
    """NDCG of the first k per slate: gain 2^y - 1, discount 1 / log2(1 + place); equal scores rank by `position`."""
    group, num_slates = _groups(slate)
    gain = np.exp2(y.astype(np.float64)) - 1
    dcg = _dcg(gain, np.lexsort((position, -p.astype(np.float64), group)), group, num_slates, k)
    ideal = _dcg(gain, np.lexsort((-gain, group)), group, num_slates, k)
    return np.where(ideal > 0, dcg / np.where(ideal > 0, ideal, 1.0), np.nan)


def mrr(y: Floats, p: Floats, slate: Integers, position: Integers) -> NDArray[np.float64]:
    """1 / place of the first positive per slate; equal scores rank by `position`."""
    group, num_slates = _groups(slate)
    order = np.lexsort((position, -p.astype(np.float64), group))
    reciprocal = np.where(y[order] > 0, 1 / (1.0 + _places(group[order])), 0.0)
    best = np.zeros(num_slates)
    np.maximum.at(best, group[order], reciprocal)
    return np.where(best > 0, best, np.nan)


def gauc(y: Floats, p: Floats, slate: Integers) -> float:
    """AUC inside each slate (or user), averaged by number of rows as in DIN; slates of one class are left out.

    NaN when none is left.
    """
    group, num_slates = _groups(slate)
    is_positive = y > 0
    num_rows = np.bincount(group, minlength=num_slates).astype(np.float64)
    num_positive = np.bincount(group, weights=is_positive, minlength=num_slates)
    rank_sum = np.bincount(group, weights=average_ranks(p, group) * is_positive, minlength=num_slates)
    num_pairs = num_positive * (num_rows - num_positive)
    has_both = num_pairs > 0
    if not has_both.any():
        return float("nan")
    won = rank_sum - num_positive * (num_positive + 1) / 2
    return float(np.average(won[has_both] / num_pairs[has_both], weights=num_rows[has_both]))


def average_ranks(p: Floats, group: Integers) -> NDArray[np.float64]:
    """1-based rank of each row in its group, lowest first; equal scores share the mean of their ranks."""
    order = np.lexsort((p, group))
    place = _places(group[order]) + 1.0
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (np.diff(group[order]) != 0) | (np.diff(p[order]) != 0)
    tie = np.cumsum(is_new) - 1
    ranks = np.empty(len(order))
    ranks[order] = (np.bincount(tie, weights=place) / np.bincount(tie))[tie]
    return ranks


def _groups(slate: Integers) -> tuple[NDArray[np.intp], int]:
    values, group = np.unique(slate, return_inverse=True)
    return group, len(values)


def _places(sorted_group: Integers) -> NDArray[np.intp]:
    """0-based place of each row in its group, for rows sorted by group."""
    if len(sorted_group) == 0:
        return np.zeros(0, dtype=np.intp)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(sorted_group) != 0]))
    lengths = np.diff(np.append(starts, len(sorted_group)))
    return np.arange(len(sorted_group)) - np.repeat(starts, lengths)


def _dcg(gain: Floats, order: Integers, group: Integers, num_slates: int, k: int) -> NDArray[np.float64]:
    place = _places(group[order])
    discounted = np.where(place < k, gain[order] / np.log2(2.0 + place), 0.0)
    return np.bincount(group[order], weights=discounted, minlength=num_slates).astype(np.float64)
