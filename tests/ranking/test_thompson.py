"""Chances are checked against sums over a fine grid, and against how often each item is drawn."""

import math

import numpy as np
import pytest

from streams.ranking.slate import seeded_uniform
from streams.ranking.thompson import MAX_CONTENDERS, MAX_RATIO, Contest, Uncertainty, chances, normal_cdf


def contest_of(values: list[float], deviations: list[float]) -> Contest:
    return Uncertainty(np.array(values), np.array(deviations)).contest(range(len(values)), set(range(len(values))))


def chances_of_all(contest: Contest) -> list[float]:
    return chances([contest] * len(contest.ranks), contest.ranks)


def test_the_normal_distribution_is_that_of_erf() -> None:
    x = np.linspace(-8, 8, 4001)
    x = x.astype(np.float32)
    exact = [math.erfc(-one / math.sqrt(2)) / 2 for one in x.tolist()]
    np.testing.assert_allclose([normal_cdf(one) for one in x], exact, atol=2e-7)


def test_an_uncertain_item_of_lower_value_is_tried_and_a_certain_bad_one_is_not() -> None:
    contest = contest_of([0.5, 0.3, 0.3], [0.1, 0.4, 0.1])
    found = dict(zip(contest.ranks, chances_of_all(contest), strict=True))
    assert found[1] == pytest.approx(0.31, abs=0.01)
    assert found[2] < 0.06
    assert found[0] == pytest.approx(1 - found[1] - found[2], abs=1e-5)


def test_two_items_have_the_chances_of_their_difference() -> None:
    """N(1, .5^2) - N(.6, .4^2) is above 0 with chance CDF(.4 / sqrt(.41))."""
    expected = math.erfc(-0.4 / math.sqrt(2 * 0.41)) / 2
    assert chances_of_all(contest_of([1.0, 0.6], [0.5, 0.4])) == pytest.approx([expected, 1 - expected], abs=1e-6)


def test_chances_are_right_to_a_hundred_thousandth_however_certain_items_are() -> None:
    rng = np.random.default_rng(0)
    z_D = np.linspace(-8, 8, 3201)
    weight_D = np.exp(-(z_D**2) / 2) / np.exp(-(z_D**2) / 2).sum()
    for scale in (0.0, 0.05, 1.0):
        contest = contest_of((scale * rng.normal(size=16)).tolist(), np.exp(2 * rng.normal(size=16)).tolist())
        value_C, deviation_C = np.array(contest.values), np.array(contest.deviations)
        assert max(deviation_C) == pytest.approx(MAX_RATIO * min(deviation_C))
        found = chances_of_all(contest)
        for place, chance in enumerate(found):
            ahead_DC = ((value_C[place] + deviation_C[place] * z_D)[:, None] - value_C) / deviation_C
            below = np.vectorize(lambda ahead: math.erfc(-ahead / math.sqrt(2)) / 2)(ahead_DC)
            below[:, place] = 1
            assert chance == pytest.approx(float(weight_D @ below.prod(1)), abs=1e-5)
        assert sum(found) == pytest.approx(1.0, abs=1e-5)


def test_items_are_drawn_as_often_as_their_chances_say() -> None:
    contest = contest_of([0.5, 0.4, 0.1, 0.45, -1.0], [0.05, 0.2, 0.3, 0.01, 0.02])
    uniform, num = seeded_uniform("frequencies"), 20_000
    drawn = [contest.draw(uniform) for _ in range(num)]
    for rank, chance in zip(contest.ranks, chances_of_all(contest), strict=True):
        assert drawn.count(rank) / num == pytest.approx(chance, abs=4 * math.sqrt(chance / num) + 1e-4)


def test_only_the_items_that_may_be_best_take_part() -> None:
    values = np.linspace(1, 0, 40).tolist()
    deviations = [0.01] * 39 + [2.0]
    contest = contest_of(values, deviations)
    assert contest.ranks == [39, *range(MAX_CONTENDERS - 1)]
    assert chances([contest, contest], [39, 20])[1] == 0


def test_where_nothing_is_uncertain_the_draw_is_even() -> None:
    contest = contest_of([3.0, 2.0, 1.0, 0.0], [0.0] * 4)
    assert chances_of_all(contest) == [0.25] * 4
    uniform = seeded_uniform("even")
    drawn = [contest.draw(uniform) for _ in range(4000)]
    assert all(abs(drawn.count(rank) - 1000) < 3 * math.sqrt(750) for rank in range(4))


def test_a_contest_is_among_those_asked_for() -> None:
    known = Uncertainty(np.array([4.0, 3.0, 2.0, 1.0]), np.array([0.0, 1.0, 0.5, 0.5]))
    assert known.contest([1, 3], {1, 3}) == Contest([1, 3], [3.0, 1.0], [1.0, 0.5])
    assert known.contest([0], {0}) == Contest((0,), [], [])
