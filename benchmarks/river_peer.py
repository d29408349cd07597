"""River's logistic regression on our captured features: predict a step's lists, then learn their rows one by one.

The streaming bar: it learns from the first list to the last, with the delay of a lock-step run, and its own running
scaler. A missing feature is left out of its row, which is River's way.
"""

import math

import numpy as np
from river import linear_model, optim, preprocessing

from benchmarks.example_table import ExampleTable
from benchmarks.quality_figures import Ranked
from streams.replay.steps import LISTS_PER_STEP

__all__ = ["logistic_regression"]

LEARNING_RATE, L2 = 0.003, 1e-5


def logistic_regression(table: ExampleTable, first_list: int) -> Ranked:
    """Probabilities of the rows from list `first_list` on."""
    model = preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.SGD(LEARNING_RATE), l2=L2)
    p_N = np.zeros(len(table.y_N))
    starts = [*range(0, len(table.user_L), LISTS_PER_STEP), len(table.user_L)]
    ends = np.searchsorted(table.list_N, starts)
    for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        rows = [_known(table.names, row) for row in table.features_NF[start:end].tolist()]
        if table.list_N[end - 1] >= first_list:
            p_N[start:end] = [model.predict_proba_one(row).get(True, 0.5) for row in rows]
        for row, y in zip(rows, (table.y_N[start:end] > 0).tolist(), strict=True):
            model.learn_one(row, y)
    after = p_N[np.searchsorted(table.list_N, first_list) :]
    return Ranked(after, after)


def _known(names: tuple[str, ...], row: list[float]) -> dict[str, float]:
    return {name: value for name, value in zip(names, row, strict=True) if math.isfinite(value)}
