"""Accuracy, precision, recall and F1 of a binary task: of a yes or no made of its probability at a threshold.

A rare task never reaches 0.5, so the threshold is the edge of a bin where F1 was best on earlier rows: chosen before
the rows that it is measured on. Counts come from the cells of prediction_cells.py, so they are exact.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_bin", "decided"]

Float64 = NDArray[np.float64]
ROWS, LABELS = 0, 2


def best_bin(table: Float64) -> int | None:
    """The first bin that counts as yes where F1 is highest; None without a positive. `table`: as of `cell_table`."""
    hits_B, chosen_B = _from_above(table[:, LABELS]), _from_above(table[:, ROWS])
    if not hits_B[0]:
        return None
    return int(np.argmax(2 * hits_B / (chosen_B + hits_B[0])))


def decided(table: Float64, first_yes: int) -> dict[str, float]:
    """The four figures when bins from `first_yes` on count as yes; empty without rows."""
    rows, positives = float(table[:, ROWS].sum()), float(table[:, LABELS].sum())
    if not rows:
        return {}
    hits, chosen = float(table[first_yes:, LABELS].sum()), float(table[first_yes:, ROWS].sum())
    return {
        "accuracy": (rows - chosen - positives + 2 * hits) / rows,
        "precision": hits / chosen if chosen else 0.0,
        "recall": hits / positives if positives else 0.0,
        "f1": 2 * hits / (chosen + positives) if chosen + positives else 0.0,
    }


def _from_above(counts_B: Float64) -> Float64:
    """float64[B]: how much lies in this bin or above it."""
    return np.cumsum(counts_B[::-1])[::-1]
