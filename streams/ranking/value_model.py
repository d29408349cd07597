"""The value model: one number per item from the predictions. The only place where predictions are combined.

value = sum over tasks of weight x prediction, plus bid x p_click where a bid is known. Weights are those of the tasks,
unless ranking.score_weights replaces them, and are published with every ranking; a negative one takes away. The bid is
money per click, so an ad competes in the unit that the click weight sets. A prediction that is absent (no model is
loaded yet) adds nothing.
"""

import math
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from models.tasks import CLICK_TASK
from streams.errors import SettingsError

__all__ = ["BID_TERM", "ValueModel", "check_score_weights"]

BID_TERM = "bid"


def check_score_weights(weights: Mapping[str, float], task_names: Collection[str]) -> None:
    """Refuse weights of unknown tasks and weights that are no finite numbers.

    A task without a weight is allowed and adds nothing. Raises SettingsError; call it once, at start.
    """
    unknown = sorted(set(weights) - set(task_names))
    if unknown:
        raise SettingsError(
            f"ranking.score_weights names {', '.join(unknown)}; the tasks are {', '.join(task_names)}; "
            "correct FRESHRANK_RANKING__SCORE_WEIGHTS or declare the task in labels.tasks"
        )
    for name, weight in weights.items():
        if not math.isfinite(weight):
            raise SettingsError(
                f"ranking.score_weights has {name} = {weight}; a finite number is needed; "
                "correct FRESHRANK_RANKING__SCORE_WEIGHTS"
            )


class ValueModel:
    """Weights, and what they make of predictions."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = dict(weights)

    def values(self, predictions: Mapping[str, NDArray[np.float32]], bid_N: NDArray[np.float32]) -> NDArray[np.float64]:
        """float64[N]: value of each item. `bid_N`: money per click, NaN where none is known."""
        value_N = np.zeros(len(bid_N))
        for term_N in self.terms(predictions, bid_N).values():
            value_N += term_N
        return value_N

    def terms(
        self, predictions: Mapping[str, NDArray[np.float32]], bid_N: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float64]]:
        """What each task adds to the value, float64[N] per term; the terms add up to `values`."""
        terms = {
            name: self._weights[name] * prediction_N.astype(np.float64)
            for name, prediction_N in predictions.items()
            if name in self._weights
        }
        has_bid_N = np.isfinite(bid_N)
        if CLICK_TASK in predictions and has_bid_N.any():
            terms[BID_TERM] = np.where(has_bid_N, bid_N, 0.0) * predictions[CLICK_TASK].astype(np.float64)
        return terms
