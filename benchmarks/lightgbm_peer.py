"""LightGBM on our captured features: lambdarank for order, cross-entropy for probabilities. Trained once, then frozen.

The number of trees is chosen on the last fifth of the training lists, then all of them are learned with it: a fair use
of the training part, the test part stays unseen.
"""

from typing import Any

import lightgbm
import numpy as np

from benchmarks.example_table import ExampleTable
from benchmarks.quality_figures import Ranked

__all__ = ["cross_entropy", "lambdarank"]

MAX_TREES, PATIENCE = 1000, 50
PARAMETERS = {
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
}
LAMBDARANK = {"objective": "lambdarank", "metric": "ndcg", "eval_at": [10], "lambdarank_truncation_level": 24}


def lambdarank(learned: ExampleTable, held_out: ExampleTable, test: ExampleTable, seed: int) -> Ranked:
    """Order alone; learned on lists with a click, as others teach it nothing."""
    booster = _fit(learned.of_lists_with_click(), held_out.of_lists_with_click(), {**LAMBDARANK, "seed": seed})
    return Ranked(_predict(booster, test))


def cross_entropy(learned: ExampleTable, held_out: ExampleTable, test: ExampleTable, seed: int) -> Ranked:
    """Click probabilities, learned on all lists."""
    p_N = _predict(_fit(learned, held_out, {"objective": "binary", "metric": "binary_logloss", "seed": seed}), test)
    return Ranked(p_N, p_N)


def _fit(learned: ExampleTable, held_out: ExampleTable, parameters: dict[str, Any]) -> Any:  # noqa: ANN401
    used = PARAMETERS | parameters
    first = lightgbm.Dataset(learned.features_NF, learned.y_N, group=learned.sizes, free_raw_data=False)
    watched = lightgbm.Dataset(held_out.features_NF, held_out.y_N, group=held_out.sizes, reference=first)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    chosen = lightgbm.train(used, first, MAX_TREES, valid_sets=[watched], callbacks=[stop]).best_iteration
    both = lightgbm.Dataset(
        np.concatenate([learned.features_NF, held_out.features_NF]),
        np.concatenate([learned.y_N, held_out.y_N]),
        group=np.concatenate([learned.sizes, held_out.sizes]),
    )
    return lightgbm.train(used, both, chosen)


def _predict(booster: Any, test: ExampleTable) -> Any:  # noqa: ANN401
    return np.asarray(booster.predict(test.features_NF), np.float64)
