import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from models.list_metrics import average_ranks, gauc, mrr, ndcg_at_k


def test_ndcg_by_hand() -> None:
    y, p = np.array([0.0, 2.0, 1.0]), np.array([0.9, 0.5, 0.1])
    dcg = 3 / math.log2(3) + 1 / math.log2(4)
    ideal = 3 + 1 / math.log2(3)
    found = ndcg_at_k(y, p, np.zeros(3, int), np.arange(3), 10)
    assert found.tolist() == [pytest.approx(dcg / ideal)]
    at_2 = ndcg_at_k(y, p, np.zeros(3, int), np.arange(3), 2)
    assert at_2.tolist() == [pytest.approx(3 / math.log2(3) / ideal)]


def test_equal_scores_rank_by_position_and_not_by_order_of_rows() -> None:
    y, p, slate = np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.zeros(2, int)
    assert mrr(y, p, slate, np.array([0, 1])).tolist() == [1.0]
    assert mrr(y, p, slate, np.array([1, 0])).tolist() == [0.5]
    assert ndcg_at_k(y, p, slate, np.array([1, 0]), 10).tolist() == [pytest.approx(1 / math.log2(3))]


def test_results_follow_the_numbers_of_the_slates_and_are_nan_without_a_positive() -> None:
    slate = np.array([7, 3, 7, 3, 5])
    y, p = np.array([0.0, 1.0, 1.0, 0.0, 0.0]), np.array([0.9, 0.8, 0.1, 0.2, 0.5])
    found = mrr(y, p, slate, np.zeros(5, int))
    assert found[:1].tolist() + found[2:].tolist() == [1.0, 0.5]
    assert math.isnan(found[1])
    assert np.isnan(ndcg_at_k(y, p, slate, np.zeros(5, int), 10)).tolist() == [False, True, False]


@given(st.integers(0, 2**16), st.integers(1, 8), st.integers(1, 12))
@settings(max_examples=60)
def test_ndcg_equals_scikit_learn_list_by_list(seed: int, num_slates: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    slate = rng.integers(0, num_slates, 40)
    grade, p = rng.integers(0, 3, 40).astype(float), rng.permutation(40) / 40
    found = ndcg_at_k(grade, p, slate, np.arange(40), k)
    for value, number in zip(found, np.unique(slate), strict=True):
        rows = slate == number
        if grade[rows].sum() == 0:
            assert math.isnan(value)
        elif rows.sum() > 1:
            gain = np.exp2(grade[rows]) - 1  # scikit-learn takes gains
            assert value == pytest.approx(sklearn.metrics.ndcg_score([gain], [p[rows]], k=k))


@given(st.integers(0, 2**16), st.integers(1, 8))
@settings(max_examples=60)
def test_reciprocal_rank_equals_scikit_learn_list_by_list(seed: int, num_slates: int) -> None:
    """Of lists with one positive, its label ranking average precision is the reciprocal rank."""
    rng = np.random.default_rng(seed)
    slate, p = rng.integers(0, num_slates, 40), rng.permutation(40) / 40
    y = np.zeros(40)
    for number in np.unique(slate)[:-1]:
        y[rng.choice(np.flatnonzero(slate == number))] = 1.0
    found = mrr(y, p, slate, np.arange(40))
    for value, number in zip(found, np.unique(slate), strict=True):
        rows = slate == number
        if y[rows].sum() == 0:
            assert math.isnan(value)
        else:
            expected = sklearn.metrics.label_ranking_average_precision_score([y[rows]], [p[rows]])
            assert value == pytest.approx(expected)


@given(st.integers(0, 2**16))
@settings(max_examples=60)
def test_with_ties_ranked_by_position_ndcg_is_that_of_scikit_learn_for_scores_without_ties(seed: int) -> None:
    """Equal scores, made different by a little less for every place further down."""
    rng = np.random.default_rng(seed)
    grade, p, position = rng.integers(0, 3, 12).astype(float), rng.integers(0, 3, 12) / 4, rng.permutation(12)
    grade[0] = 1.0
    found = ndcg_at_k(grade, p, np.zeros(12, int), position, 5)
    expected = sklearn.metrics.ndcg_score([np.exp2(grade) - 1], [p - position * 1e-3], k=5)
    assert found.tolist() == [pytest.approx(expected)]


def test_lists_that_scikit_learn_does_not_take_have_values_of_their_own() -> None:
    """A list of one row, one without a positive, and no list at all."""
    y, p, slate = np.array([1.0, 0.0, 0.0]), np.array([0.3, 0.2, 0.1]), np.array([0, 1, 1])
    columns = (y, p, slate, np.arange(3))
    assert [found.tolist() for found in (ndcg_at_k(*columns, 10), mrr(*columns))] == [
        [1.0, pytest.approx(math.nan, nan_ok=True)]
    ] * 2
    none = np.zeros(0), np.zeros(0), np.zeros(0, int), np.zeros(0, int)
    assert (ndcg_at_k(*none, 10).tolist(), mrr(*none).tolist(), math.isnan(gauc(*none[:3]))) == ([], [], True)


@given(st.integers(0, 2**16), st.integers(1, 6))
@settings(max_examples=60)
def test_gauc_is_the_auc_of_each_slate_weighed_by_rows(seed: int, num_slates: int) -> None:
    rng = np.random.default_rng(seed)
    slate, y, p = rng.integers(0, num_slates, 30), rng.integers(0, 2, 30).astype(float), np.round(rng.random(30), 1)
    scores, weights = [], []
    for number in np.unique(slate):
        rows = slate == number
        if len(np.unique(y[rows])) > 1:
            scores.append(sklearn.metrics.roc_auc_score(y[rows], p[rows]))
            weights.append(rows.sum())
    found = gauc(y, p, slate)
    assert math.isnan(found) if not scores else found == pytest.approx(np.average(scores, weights=weights))


def test_equal_scores_share_the_mean_of_their_ranks_inside_their_group() -> None:
    assert average_ranks(np.array([0.5, 0.5, 0.1, 0.5]), np.array([0, 0, 0, 1])).tolist() == [2.5, 2.5, 1.0, 1.0]
