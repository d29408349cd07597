"""Figures of one pooled table of predictions: how well they order, how far they can be believed. Pure.

Rows of a bin are alike here: AUC counts pairs inside a bin as half in order, and a bin's log loss is that of its mean
prediction. With bins a quarter of a logit wide both are within about .002 of what the rows say themselves.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Reliability", "auc_of", "ece_of", "normalised_entropy_of", "pcoc_of", "reliability"]

Float64 = NDArray[np.float64]
CLIP = 1e-9
# Groups of a reliability plot, and how sure an interval is (90 %).
NUM_GROUPS = 12
MIN_GROUP_ROWS = 30
INTERVAL_ERRORS = 1.645


@dataclass(frozen=True, slots=True)
class Reliability:
    """Groups of neighbouring bins: mean prediction, mean label, its interval, and rows; each float64[groups]."""

    predicted: Float64
    observed: Float64
    low: Float64
    high: Float64
    rows: Float64


def auc_of(table: Float64) -> float:
    """Share of (positive, negative) pairs in order; NaN without either."""
    positives, negatives = table[:, 2], table[:, 0] - table[:, 2]
    num_pairs = positives.sum() * negatives.sum()
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / num_pairs) if num_pairs else math.nan


def normalised_entropy_of(table: Float64) -> float:
    """Log loss over that of the mean label; NaN when all labels are alike."""
    rows, sum_p, sum_y = table[table[:, 0] > 0].T
    total = rows.sum()
    rate = sum_y.sum() / total if total else 0.0
    if not 0 < rate < 1:
        return math.nan
    p = np.clip(sum_p / rows, CLIP, 1 - CLIP)
    loss = -(sum_y * np.log(p) + (rows - sum_y) * np.log(1 - p)).sum() / total
    return float(loss / -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate)))


def pcoc_of(table: Float64) -> float:
    """Sum of predictions over sum of labels; NaN without a label above 0."""
    return float(table[:, 1].sum() / table[:, 2].sum()) if table[:, 2].sum() else math.nan


def ece_of(table: Float64) -> float:
    """Mean distance of prediction and label over the groups of `reliability`, by rows; NaN without rows."""
    found = reliability(table)
    if not len(found.rows):
        return math.nan
    return float((np.abs(found.predicted - found.observed) * found.rows).sum() / found.rows.sum())


def reliability(table: Float64) -> Reliability:
    """At most `NUM_GROUPS` groups of about as many rows each, lowest predictions first. Intervals are Wilson's."""
    rows, sum_p, sum_y = _grouped(table).T
    rate, z = sum_y / np.maximum(rows, 1), INTERVAL_ERRORS
    centre = (rate + z**2 / (2 * np.maximum(rows, 1))) / (1 + z**2 / np.maximum(rows, 1))
    spread = np.clip(rate * (1 - rate), 0, None) / np.maximum(rows, 1) + z**2 / (4 * np.maximum(rows, 1) ** 2)
    half = z * np.sqrt(spread) / (1 + z**2 / np.maximum(rows, 1))
    return Reliability(sum_p / rows, rate, np.maximum(centre - half, 0), centre + half, rows)


def _grouped(table: Float64) -> Float64:
    """float64[groups, 3]: sums of neighbouring bins."""
    held = table[table[:, 0] > 0]
    wanted = max(float(held[:, 0].sum()) / NUM_GROUPS, MIN_GROUP_ROWS)
    groups: list[Float64] = []
    open_group = np.zeros(3)
    for row in held:
        open_group = open_group + row
        if open_group[0] >= wanted:
            groups.append(open_group)
            open_group = np.zeros(3)
    if open_group[0]:
        if groups and open_group[0] < wanted / 2:
            groups[-1] = groups[-1] + open_group
        else:
            groups.append(open_group)
    return np.array(groups).reshape(-1, 3)
