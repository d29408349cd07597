"""Figures by hand-made tables."""

import math

import numpy as np
import pytest

from benchmarks.example_table import ExampleTable
from benchmarks.quality_figures import Ranked, figures_of, firsts, mean_and_spread, ndcg_by_list, paired_gain


def table() -> ExampleTable:
    """Three lists of two: the first clicked at place 0, the second at place 1, the third without a click."""
    return ExampleTable(
        names=("f",),
        features_NF=np.zeros((6, 1), np.float32),
        y_N=np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
        list_N=np.array([0, 0, 1, 1, 2, 2]),
        place_N=np.array([0, 1, 0, 1, 0, 1]),
        user_L=np.array([0, 1, 1]),
    )


def test_order_counts_in_lists_with_a_click_and_probabilities_in_all() -> None:
    ranked = Ranked(np.array([2.0, 1.0, 2.0, 1.0, 0.0, 0.0]), np.full(6, 0.5))
    found = figures_of(table(), ranked)
    assert found["ndcg_at_10"] == pytest.approx((1 + 1 / math.log2(3)) / 2)
    assert found["mrr"] == pytest.approx(0.75)
    assert found["pcoc"] == pytest.approx(1.5)
    assert found["normalised_entropy"] == pytest.approx(math.log(2) / -(math.log(1 / 3) / 3 + 2 * math.log(2 / 3) / 3))


def test_scores_that_are_no_probabilities_have_no_calibration() -> None:
    assert figures_of(table(), Ranked(np.zeros(6))).keys() == {"ndcg_at_10", "mrr", "auc"}


def test_mean_and_spread_over_seeds() -> None:
    assert mean_and_spread([{"a": 1.0}, {"a": 3.0}]) == {"a": 2.0, "a_std": 1.41421}
    assert mean_and_spread([{"a": 1.0}]) == {"a": 1.0}


def test_seeds_are_averaged_by_list() -> None:
    good, bad = Ranked(np.array([1.0, 0, 0, 1, 0, 0])), Ranked(np.array([0.0, 1, 1, 0, 0, 0]))
    assert ndcg_by_list(table(), [good, bad]) == pytest.approx([(1 + 1 / math.log2(3)) / 2] * 2)


def test_a_gain_of_every_user_is_certain_and_one_of_a_few_is_not() -> None:
    rng, user_L = np.random.default_rng(0), np.repeat(np.arange(50), 4)
    theirs_L = rng.random(200)
    sure = paired_gain(theirs_L + 0.1, theirs_L, user_L, rng)
    assert (sure.gain, sure.low, sure.high, sure.lists) == (0.1, 0.1, 0.1, 200)
    one_user = paired_gain(theirs_L + 5.0 * (user_L == 7), theirs_L, user_L, rng)
    assert one_user.gain == pytest.approx(0.1)
    assert one_user.low == 0.0


def test_the_best_pcoc_is_nearest_to_one_on_either_side() -> None:
    found = firsts({"a": {"pcoc": 1.2, "ece": 0.1}, "b": {"pcoc": 0.9, "ndcg_at_10": 0.5}, "c": {"ndcg_at_10": 0.6}})
    assert found == {"ndcg_at_10": ["c", "b"], "normalised_entropy": [], "ece": ["a"], "pcoc": ["b", "a"]}
