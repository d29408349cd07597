"""Rounds as the history holds them, made of seeded predictions, for the tests of reports."""

from typing import Any

import numpy as np

from models.tasks import DEFAULT_TASKS
from streams.training.prediction_cells import NUM_BINS, bin_edges

CLICK = DEFAULT_TASKS[0]
EDGES = bin_edges(CLICK)


def rows(seed: int, num: int = 2000, too_high: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions, calibrated unless `too_high` is not 1."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 6, num)
    return (rng.random(num) < p).astype(float), np.minimum(p * too_high, 0.99)


def cells(y: np.ndarray, p: np.ndarray, age: int = 0) -> list[list[float]]:
    place = np.searchsorted(EDGES[1:-1], p, side="right")
    sums = [np.bincount(place, column, NUM_BINS) for column in (np.ones(len(p)), p, y)]
    return [[age, k, *(float(s[k]) for s in sums)] for k in np.flatnonzero(sums[0]).tolist()]


def record(number: int, held: list[list[float]], **other: Any) -> dict[str, Any]:
    verdict = {"change": -0.01, "surely_above": -0.02, "surely_below": 0.001}
    found = {
        "round": number, "at_ms": 1_700_000_000_000 + number, "decision": "published", "version": number,
        "num_slates": 200, "losses": {"click": 0.9}, "task_weights": {"click": 1.0}, "gradient_cosines": {},
        "progressive": {"click": {"rows": 2000.0, "positives": 280.0, "auc": 0.7, "normalised_entropy": 0.9}},
        "decided": {"click": {"threshold": 0.18, "f1": 0.3}} if number > 1 else {},
        "gate": {"reason": "no task is worse beyond noise", "tasks": {"click": verdict}, "drift": None},
        "cells": {"click": held}, "lists": {"click": [[0, 10.0, 6.0, 5.0]]},
    }  # fmt: skip
    return {**found, **other}
