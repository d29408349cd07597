import numpy as np
import pytest

from streams.training.score_drift import ScoreDrift, score_drift


def drift(before: np.ndarray, after: np.ndarray, per_slate: int = 10) -> ScoreDrift:
    return score_drift(before, after, np.arange(len(before)) // per_slate)


def test_the_same_scores_have_not_moved() -> None:
    scores = np.random.default_rng(0).random(400)
    assert drift(scores, scores) == ScoreDrift(rows=400, psi=0.0, top_overlap=1.0)


def test_the_stability_index_equals_a_case_worked_by_hand() -> None:
    """Ten bins of 40 rows; all rows of the upper half fall into the lowest bin, all others stay."""
    before = np.arange(400) / 400
    after = np.where(before < 0.5, before, 0.0)
    shares = np.array([[40.5] * 10, [240.5, *[40.5] * 4, *[0.5] * 5]]) / 405
    expected = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    assert drift(before, after).psi == pytest.approx(expected)


def test_few_rows_and_a_champion_that_is_not_finite_have_no_index() -> None:
    scores = np.random.default_rng(0).random(199)
    assert drift(scores, scores).psi is None
    assert drift(np.full(400, np.nan), np.full(400, 0.5)).psi is None


def test_overlap_is_of_the_first_half_of_short_lists_and_of_the_first_ten_of_long_ones() -> None:
    short = np.array([4.0, 3.0, 2.0, 1.0])
    assert drift(short, np.array([4.0, 1.0, 2.0, 3.0]), per_slate=4).top_overlap == 0.5
    long = -np.arange(100.0)
    moved = np.where(np.arange(100) == 9, -200.0, long)
    assert drift(long, moved, per_slate=100).top_overlap == 0.9
    assert drift(np.ones(3), np.ones(3), per_slate=1).top_overlap is None
