"""Selection rules. Exploration is checked against every outcome that the rule can have, not only against samples."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.ranking.slate import FRESH, Selection, seeded_uniform, select_given, select_own, tiers

NO_CATEGORIES = -1


def own(
    values: list[float],
    *,
    k: int = 10,
    tier: list[int] | None = None,
    category: list[int] | None = None,
    share: float = 1.0,
    explore: float = 0.0,
    slate_id: str = "s",
    deviation: list[float] | None = None,
) -> Selection:
    num = len(values)
    return select_own(
        np.array(values, np.float64),
        np.array(tier if tier is not None else [FRESH] * num, np.int8),
        np.array(category if category is not None else [NO_CATEGORIES] * num, np.int32),
        k=k,
        category_share_max=share,
        explore_frac=explore,
        uniform=seeded_uniform(slate_id),
        deviation_N=None if deviation is None else np.array(deviation, np.float64),
    )


def test_given_items_are_sorted_by_value_with_ties_in_order_of_the_request_and_cut() -> None:
    values = np.array([0.5, 2.0, 0.5, 1.0, 0.5])
    assert select_given(values, 10).rows == [1, 3, 0, 2, 4]
    assert select_given(values, 3).rows == [1, 3, 0]
    assert select_given(np.zeros(0), 3).rows == []


@given(st.lists(st.floats(-5, 5), max_size=40))
def test_every_given_item_comes_back_exactly_once(values: list[float]) -> None:
    assert sorted(select_given(np.array(values), len(values)).rows) == list(range(len(values)))


def test_tiers_put_matches_before_fresh_before_seen_and_drop_what_cannot_be_sold() -> None:
    is_servable = np.array([True, False, True, True, False])
    seen = np.array([True, False, True, False, True])
    assert tiers(is_servable, seen, num_matched=2).tolist() == [0, -1, 2, 1, -1]


def test_seen_items_fill_only_what_would_stay_empty() -> None:
    assert own([9, 8, 1, 2], tier=[2, 2, 1, 1], k=3).rows == [3, 2, 0]


def test_matched_items_come_first_whatever_the_others_are_worth() -> None:
    assert own([1, 2, 9, 8], tier=[0, 0, 1, 2], k=4).rows == [1, 0, 2, 3]


def test_dropped_items_never_come() -> None:
    assert own([9, 1, 8], tier=[-1, 1, -1], k=3).rows == [1]
    assert own([9, 8], tier=[-1, -1], k=3).rows == own([], k=3).rows == []


def test_a_category_gets_at_most_its_share() -> None:
    assert own([9, 8, 7, 6, 5, 4], category=[0, 0, 0, 1, 1, 2], k=4, share=0.5).rows == [0, 1, 3, 4]


def test_the_share_is_of_the_list_that_there_can_be() -> None:
    """Four items for a list of twenty: half of four is two, not ten."""
    assert own([9, 8, 7, 6], category=[0, 0, 0, 1], k=20, share=0.5).rows == [0, 1, 3, 2]


def test_a_list_is_not_shorter_for_the_sake_of_diversity() -> None:
    assert own([9, 8, 7, 6], category=[0, 0, 0, 0], k=3, share=0.3).rows == [0, 1, 2]


def test_items_without_a_category_count_towards_no_share() -> None:
    assert own([9, 8, 7, 6], category=[-1, -1, -1, 0], k=3, share=0.3).rows == [0, 1, 2]


def test_a_share_is_exact_where_floats_are_not() -> None:
    """0.29 x 100 is 28.999999999999996 in floats, and 29 to anyone who set it."""
    chosen = own([1.0] * 60 + [0.5] * 90, category=[0] * 60 + [-1] * 90, k=100, share=0.29).rows
    assert sum(row < 60 for row in chosen) == 29


def test_without_exploration_the_policy_is_score_and_no_propensity_is_given() -> None:
    chosen = own([1, 2], explore=0.0)
    assert (chosen.policy, chosen.propensity) == ("score", None)


def test_one_slate_id_always_gives_the_same_list_and_others_give_others() -> None:
    values = list(np.linspace(1, 0, 50))
    lists = [own(values, explore=0.5, slate_id=f"s{n}") for n in range(20)]
    assert lists == [own(values, explore=0.5, slate_id=f"s{n}") for n in range(20)]
    assert len({tuple(chosen.rows) for chosen in lists}) > 15


def test_the_random_numbers_of_a_slate_are_pinned() -> None:
    """A replay on another machine or version must draw the same: these numbers may never change."""
    uniform = seeded_uniform("slate-1")
    assert [round(uniform(), 6) for _ in range(3)] == [0.854374, 0.202521, 0.666199]


Outcome = tuple[tuple[int, ...], tuple[float, ...]]


def outcomes(shop: dict[str, list[int]], explore: float, k: int, share: float) -> Iterator[tuple[float, Outcome]]:
    """Every list that the rule can draw, with the chance of the random numbers that draw it.

    A script of numbers is walked like an odometer: each place asks for a coin, and for a draw when the coin says so;
    a draw of one among `size` has chance 1 / size. The sizes are found by asking for one number too few.
    """
    scripts: list[tuple[float, list[float]]] = [(1.0, [])]
    while scripts:
        chance, script = scripts.pop()
        asked = iter(script)
        try:
            chosen = select_own(
                np.array(shop["value"], np.float64),
                np.array(shop["tier"], np.int8),
                np.array(shop["category"], np.int32),
                k=k,
                category_share_max=share,
                explore_frac=explore,
                uniform=lambda asked=asked: next(asked),  # type: ignore[misc]
            )
        except StopIteration:
            scripts += _continued(chance, script, explore, len(shop["value"]))
        else:
            yield chance, (tuple(chosen.rows), tuple(chosen.propensity or ()))


def _continued(chance: float, script: list[float], explore: float, num: int) -> list[tuple[float, list[float]]]:
    is_draw = bool(script) and script[-1] == 0.0
    if not is_draw:
        return [(chance * explore, [*script, 0.0]), (chance * (1 - explore), [*script, 1.0])]
    # A draw: numbers spread so finely that each place of any pool up to `num` gets its exact share of them.
    grid = int(np.lcm.reduce(range(1, num + 1)))
    return [(chance / grid, [*script, (step + 0.5) / grid]) for step in range(grid)]


SHOPS = [
    {"value": [4, 3, 2, 1], "tier": [1, 1, 1, 1], "category": [-1, -1, -1, -1]},
    {"value": [4, 3, 2, 1], "tier": [1, 1, 1, 1], "category": [0, 0, 0, 1]},
    {"value": [4, 3, 2, 1], "tier": [0, 1, 1, 2], "category": [0, 0, 1, 0]},
]


@pytest.mark.parametrize("shop", SHOPS)
def test_propensities_are_the_chances_of_the_rule(shop: dict[str, list[int]]) -> None:
    """Over all outcomes: chances sum to one, and each list comes with the product of its propensities."""
    chance_of = Counter[tuple[int, ...]]()
    claimed: dict[tuple[int, ...], float] = {}
    for chance, (rows, propensity) in outcomes(shop, explore=0.3, k=2, share=0.5):
        chance_of[rows] += chance
        assert claimed.setdefault(rows, float(np.prod(propensity))) == pytest.approx(float(np.prod(propensity)))
    assert sum(chance_of.values()) == pytest.approx(1.0)
    assert {rows: pytest.approx(chance) for rows, chance in chance_of.items()} == claimed


def test_about_the_set_share_of_places_explores() -> None:
    """Of 4,000 first places with chance .2 and ten candidates, 18 % are not the best one; three deviations allowed."""
    values = list(range(10, 0, -1))
    num_explored = sum(own(values, k=1, explore=0.2, slate_id=f"s{n}").rows != [0] for n in range(4000))
    assert abs(num_explored / 4000 - 0.18) < 3 * (0.18 * 0.82 / 4000) ** 0.5


def test_lists_drawn_by_what_is_not_known_come_as_often_as_their_propensities_say() -> None:
    """The third item is uncertain, the last is bad for sure; each category has one place of the two."""
    num, seen = 6000, Counter[tuple[int, ...]]()
    claimed: dict[tuple[int, ...], float] = {}
    for n in range(num):
        chosen = own(
            [0.5, 0.4, 0.3, 0.2], category=[0, 0, 1, 1], share=0.5, k=2, explore=0.6,
            deviation=[0.05, 0.05, 0.3, 0.1], slate_id=f"s{n}",
        )  # fmt: skip
        rows, chance = tuple(chosen.rows), float(np.prod(chosen.propensity or ()))
        assert claimed.setdefault(rows, chance) == pytest.approx(chance)
        seen[rows] += 1
    assert sum(claimed.values()) == pytest.approx(1.0, abs=2e-3)
    for rows, chance in claimed.items():
        assert seen[rows] / num == pytest.approx(chance, abs=4 * (chance / num) ** 0.5)
    assert claimed[(2, 0)] > 10 * claimed.get((3, 0), 0.0)


def test_one_slate_id_draws_the_same_list_by_what_is_not_known() -> None:
    values, deviation = list(np.linspace(1, 0, 50)), [0.3] * 50
    lists = [own(values, explore=0.5, deviation=deviation, slate_id=f"s{n}") for n in range(20)]
    assert lists == [own(values, explore=0.5, deviation=deviation, slate_id=f"s{n}") for n in range(20)]
    assert len({tuple(chosen.rows) for chosen in lists}) > 15


@settings(max_examples=100)
@given(st.data())
def test_any_list_is_distinct_servable_and_as_long_as_it_can_be(data: st.DataObject) -> None:
    num = data.draw(st.integers(0, 12))
    tier = data.draw(st.lists(st.integers(-1, 2), min_size=num, max_size=num))
    category = data.draw(st.lists(st.integers(-1, 2), min_size=num, max_size=num))
    values = data.draw(st.lists(st.floats(-1, 1), min_size=num, max_size=num))
    k = data.draw(st.integers(1, 14))
    explore = data.draw(st.sampled_from([0.0, 0.4, 1.0]))
    deviation = data.draw(st.none() | st.lists(st.floats(0, 1), min_size=num, max_size=num))
    share = data.draw(st.floats(0.05, 1))
    chosen = own(values, k=k, tier=tier, category=category, share=share, explore=explore, deviation=deviation)
    eligible = {row for row in range(num) if tier[row] >= 0}
    assert len(chosen.rows) == min(k, len(eligible))
    assert len(set(chosen.rows)) == len(chosen.rows)
    assert set(chosen.rows) <= eligible
    placed = [tier[row] for row in chosen.rows]
    assert placed == sorted(placed)
    assert chosen.propensity is None or all(0 < chance <= 1 for chance in chosen.propensity)
