"""What rankers are compared by: figures of one run, mean and spread over seeds, and gains paired by list. Pure.

Ranking figures are over lists with a click; probability figures over all lists. Intervals come from a bootstrap over
users, as one user's lists are alike.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.example_table import ExampleTable
from models import metrics

__all__ = ["Gain", "Ranked", "figures_of", "firsts", "mean_and_spread", "ndcg_by_list", "paired_gain"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Figures = dict[str, float]

K = 10
NUM_RESAMPLES = 4000
# Figures that say who is first.
RANKED = ("ndcg_at_10", "normalised_entropy", "ece", "pcoc")


@dataclass(frozen=True, slots=True)
class Ranked:
    """Scores of one run, and its click probabilities where it has any; both float64[N] over the same table."""

    score_N: Float64
    p_N: Float64 | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """Mean difference per list, and its 95 % interval."""

    gain: float
    low: float
    high: float
    lists: int


def figures_of(table: ExampleTable, ranked: Ranked) -> Figures:
    """All figures of one run; a figure that it does not define is left out."""
    lists = table.of_lists_with_click()
    score_N = ranked.score_N[np.isin(table.list_N, lists.list_N)]
    found = {
        "ndcg_at_10": float(np.mean(metrics.ndcg_at_k(lists.y_N, score_N, lists.list_N, lists.place_N, K))),
        "mrr": float(np.mean(metrics.mrr(lists.y_N, score_N, lists.list_N, lists.place_N))),
        "auc": metrics.auc(table.y_N, ranked.score_N if ranked.p_N is None else ranked.p_N),
    }
    if ranked.p_N is not None:
        measures = {"normalised_entropy": metrics.normalised_entropy, "pcoc": metrics.pcoc, "ece": metrics.ece}
        found |= {name: measure(table.y_N, ranked.p_N) for name, measure in measures.items()}
    return found


def mean_and_spread(runs: Sequence[Figures]) -> Figures:
    """Mean over runs of each figure, and its standard deviation (n - 1) as `<figure>_std` when there are several."""
    found: Figures = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        found[name] = round(float(np.mean(values)), 5)
        if len(values) > 1:
            found[f"{name}_std"] = round(float(np.std(values, ddof=1)), 5)
    return found


def ndcg_by_list(table: ExampleTable, runs: Sequence[Ranked]) -> Float64:
    """float64[L]: NDCG@10 of each list with a click, ascending by list, mean over runs."""
    lists = table.of_lists_with_click()
    rows = np.isin(table.list_N, lists.list_N)
    found = [metrics.ndcg_at_k(lists.y_N, run.score_N[rows], lists.list_N, lists.place_N, K) for run in runs]
    return np.asarray(np.mean(found, axis=0))


def paired_gain(ours_L: Float64, theirs_L: Float64, user_L: Int64, rng: np.random.Generator) -> Gain:
    """Ours minus theirs over the same lists; users are drawn with replacement for the interval."""
    _, place = np.unique(user_L, return_inverse=True)
    num = int(place.max()) + 1
    difference_U, lists_U = np.bincount(place, ours_L - theirs_L, num), np.bincount(place, minlength=num)
    draws = rng.multinomial(num, np.full(num, 1 / num), NUM_RESAMPLES)
    low, high = np.quantile((draws @ difference_U) / (draws @ lists_U), [0.025, 0.975])
    mean = float(np.mean(ours_L - theirs_L))
    return Gain(round(mean, 5), round(float(low), 5), round(float(high), 5), len(ours_L))


def firsts(figures: Mapping[str, Figures]) -> dict[str, list[str]]:
    """By figure: names, best first. PCOC is best at 1, whichever side."""
    return {
        figure: sorted((n for n in figures if figure in figures[n]), key=_loss(figures, figure)) for figure in RANKED
    }


def _loss(figures: Mapping[str, Figures], figure: str) -> Callable[[str], float]:
    """How bad a name is, by a figure."""

    def loss(name: str) -> float:
        value = figures[name][figure]
        if figure == "pcoc":
            return abs(math.log(value))
        return -value if figure == "ndcg_at_10" else value

    return loss
