"""Metrics of predictions, vectorised over numpy arrays; conventions stand with each. Of lists: list_metrics.py.

`y` are labels, `p` predictions, both [N]. A metric that these rows do not define is NaN, never an exception; averages
then leave it out. Where scikit-learn has the metric, values are equal to its own, but for these conventions:

* without rows scikit-learn raises; here means are NaN, and precision, recall and F1 are 0;
* precision, recall and F1 without a row to divide by are 0, as with its `zero_division=0`, and without its warning;
* average precision without a positive is NaN, not 0;
* log loss with labels of one class needs no `labels=`.
"""

import numpy as np
from numpy.typing import NDArray

from models.list_metrics import gauc, mrr, ndcg_at_k

__all__ = [
    "accuracy",
    "auc",
    "average_precision",
    "ece",
    "f1",
    "gauc",
    "log_loss",
    "mrr",
    "ndcg_at_k",
    "normalised_entropy",
    "pcoc",
    "precision",
    "recall",
    "xauc",
]

Floats = NDArray[np.floating]

ECE_BINS = 20
XAUC_BLOCK_ROWS = 1024


def auc(y: Floats, p: Floats) -> float:
    """Area under the ROC curve: the share of (1, 0) pairs in order, ties half. NaN when all labels are equal."""
    return float(gauc(y, p, np.zeros(len(y), dtype=np.int64)))


def average_precision(y: Floats, p: Floats) -> float:
    """Mean precision at the places of the positives, highest `p` first; equal predictions are one place.

    NaN without a positive, where scikit-learn says 0 and warns.
    """
    order = np.argsort(-p.astype(np.float64), kind="stable")
    hits, is_last = np.cumsum(y[order] > 0), np.append(np.diff(p[order]) != 0, np.ones(min(len(p), 1), dtype=bool))
    if not len(hits) or not hits[-1]:
        return float("nan")
    hits, places = hits[is_last], np.flatnonzero(is_last) + 1
    return float((np.diff(hits, prepend=0) * hits / places).sum() / hits[-1])


def log_loss(y: Floats, p: Floats) -> float:
    """Mean binary cross-entropy, nats; probabilities kept off 0 and 1 by the type's epsilon. NaN without rows."""
    if len(y) == 0:
        return float("nan")
    epsilon = np.finfo(p.dtype).eps
    p = np.clip(p, epsilon, 1 - epsilon).astype(np.float64)
    return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).mean())


def normalised_entropy(y: Floats, p: Floats) -> float:
    """Log loss over that of predicting the mean label of these rows; below 1 is better than knowing nothing (He 2014).

    NaN when all labels are equal.
    """
    rate = float(np.mean(y, dtype=np.float64)) if len(y) else 0.0
    if not 0 < rate < 1:
        return float("nan")
    return log_loss(y, p) / float(-(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)))


def pcoc(y: Floats, p: Floats) -> float:
    """Mean prediction over mean label; 1 is right, above 1 promises too much. NaN without a positive label."""
    total = float(np.sum(y, dtype=np.float64))
    return float(np.sum(p, dtype=np.float64)) / total if total > 0 else float("nan")


def ece(y: Floats, p: Floats, num_bins: int = ECE_BINS) -> float:
    """Expected calibration error: mean |mean p - mean y| over bins of equal mass in order of p. NaN without rows."""
    if len(y) == 0:
        return float("nan")
    order = np.argsort(p, kind="stable")
    starts = np.unique(np.arange(num_bins) * len(y) // num_bins)
    gaps = np.add.reduceat((p.astype(np.float64) - y)[order], starts)
    return float(np.abs(gaps).sum() / len(y))


def xauc(y: Floats, p: Floats) -> float:
    """Share of pairs with different `y` that `p` puts in order, ties half: AUC for seconds. NaN without such a pair.

    Exact, by blocks of rows: O(N^2) time, O(N) memory.
    """
    order = np.argsort(y, kind="stable")
    y, p = y[order], p[order]
    num_pairs = num_in_order = 0.0
    for start in range(0, len(y), XAUC_BLOCK_ROWS):
        rows = slice(start, start + XAUC_BLOCK_ROWS)
        is_pair = y[rows, None] < y[None, start:]
        p_low, p_high = p[rows, None], p[None, start:]
        num_pairs += is_pair.sum()
        num_in_order += (is_pair & (p_low < p_high)).sum() + 0.5 * (is_pair & (p_low == p_high)).sum()
    return float(num_in_order / num_pairs) if num_pairs else float("nan")


def accuracy(y: Floats, p: Floats, threshold: float = 0.5) -> float:
    """Share of rows where `p >= threshold` equals the label. NaN without rows."""
    return float(np.mean((p >= threshold) == (y > 0))) if len(y) else float("nan")


def precision(y: Floats, p: Floats, threshold: float = 0.5) -> float:
    """Share of rows with `p >= threshold` that are positive; 0 when there is none."""
    chosen = p >= threshold
    return float((y[chosen] > 0).sum() / max(int(chosen.sum()), 1))


def recall(y: Floats, p: Floats, threshold: float = 0.5) -> float:
    """Share of positive rows with `p >= threshold`; 0 when there is none."""
    positive = y > 0
    return float((p[positive] >= threshold).sum() / max(int(positive.sum()), 1))


def f1(y: Floats, p: Floats, threshold: float = 0.5) -> float:
    """Harmonic mean of precision and recall; 0 when both are."""
    hits = float(((p >= threshold) & (y > 0)).sum())
    total = float((p >= threshold).sum() + (y > 0).sum())
    return 2 * hits / total if total else 0.0
