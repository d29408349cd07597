"""Features of a user and an item together, by hand."""

import math

import numpy as np
import pytest

from streams.features.answers import Answers
from streams.features.cross_features import NEVER_SHOWN_S, capture_cross
from streams.features.items import ItemTable
from streams.features.user_state import UserState
from tests.features.sample_shop import CLICK, NOW_MS, VIEW, WEEK_MS, shop, slots

TEA, ALE, CUP = 1, 2, 3
P = 0.05  # base rate while fewer than 100 impressions were counted


def cross(
    user: UserState,
    items: ItemTable,
    names: tuple[str, ...],
    *,
    now_ms: int = NOW_MS,
    query: str = "",
    relevance: dict[int, float] | None = None,
) -> list[list[float]]:
    """The named features of tea, ale and cup: one list per item."""
    found = capture_cross(user, items, slots(TEA, ALE, CUP), now_ms, query=query, relevance=relevance)
    order = items.fields.schema_.cross
    return [[float(row[order.index(name)]) for name in names] for row in found]


def logit(rate: float) -> float:
    """Log-odds."""
    return math.log(rate / (1 - rate))


def close(rows: list[list[float]]) -> object:
    """Equal but for the rounding of float32."""
    return pytest.approx(np.array(rows), rel=1e-6, abs=1e-7)


def test_a_user_never_seen_has_prior_rates_and_zeros() -> None:
    rest = ("co_click", "log_times_shown", "log_times_clicked", "log_price_ratio", "query_overlap", "relevance")
    fields = ("rate_category", "clicks_category", "affinity_category", "rate_tags", "clicks_tags", "affinity_tags")
    found = cross(UserState("u"), shop(), fields + rest)
    assert np.array(found) == close([[logit(P), 0.0, 0.0, logit(P), 0.0, 0.0, *[0.0] * 6]] * 3)


def test_rates_per_field_value_are_smoothed_and_averaged_over_the_values_of_an_item() -> None:
    user = UserState("u", answers=[Answers("s", "home", NOW_MS, [TEA, ALE], [1, 0], [0.0, 0.0])])
    found = cross(user, shop(), ("rate_category", "rate_tags", "clicks_category", "clicks_tags"))
    drinks, hot, cold, never = (1 + 2 * P) / 4, (1 + 2 * P) / 3, 2 * P / 3, P
    assert np.array(found) == close(
        [
            [logit(drinks), logit(hot), math.log(2), math.log(3)],
            [logit(drinks), logit(cold), math.log(2), 0.0],
            [logit(never), logit(hot), 0.0, math.log(2)],
        ]
    )


def test_the_rate_of_an_item_is_the_mean_of_rates_and_not_of_odds() -> None:
    items = shop()
    user = UserState("u", answers=[Answers("s", "home", NOW_MS, [CUP], [1], [0.0])])
    mean = ((1 + 2 * P) / 3 + P) / 2  # hot was clicked, leaf never shown
    assert cross(user, items, ("rate_tags",))[0] == pytest.approx([logit(mean)])


def test_a_dislike_counts_as_shown_and_not_clicked() -> None:
    user = UserState("u", answers=[Answers("s", "home", NOW_MS, [TEA], [-1], [0.0])])
    assert cross(user, shop(), ("rate_category",))[0] == pytest.approx([logit(2 * P / 3)])


def test_affinity_is_what_is_left_now_signed_and_in_logs() -> None:
    items, user = shop(), UserState("u")
    user.lean(items, TEA, 1.0, NOW_MS)
    user.lean(items, CUP, -4.0, NOW_MS)
    found = cross(user, items, ("affinity_category", "affinity_tags"), now_ms=NOW_MS + WEEK_MS)
    # drinks 1, hot 1 - 4, leaf 1, ware -4; half of it a week later
    expected = [[math.log(1.5), -math.log(2)], [math.log(1.5), 0.0], [-math.log(3), -math.log(2.5)]]
    assert np.array(found) == close(expected)
    assert cross(user, items, ("affinity_category",), now_ms=NOW_MS - 5) == cross(user, items, ("affinity_category",))


def test_co_clicks_are_rates_of_the_clicked_items_over_the_prior() -> None:
    items, user = shop(), UserState("u")
    for slot, num in ((ALE, 5), (CUP, 30)):
        for _ in range(num):
            items.count_one(0, slot, CLICK, NOW_MS)
    for _ in range(3):
        items.add_co_click(0, TEA, [ALE], NOW_MS)
    user.add_action(ALE, CLICK, NOW_MS)
    user.add_action(TEA, VIEW, NOW_MS)
    user.add_action(CUP, CLICK, NOW_MS)

    found = cross(user, items, ("co_click",))

    assert found[0] == pytest.approx([math.log(1 + 10 * (3 / 15) / 2)])
    assert found[1:] == [[0.0], [0.0]]


def test_history_counts_shows_and_clicks_and_the_time_since() -> None:
    user = UserState("u")
    before = Answers("s0", "home", NOW_MS - 9000, [TEA, ALE], [0, 0], [0.0, 0.0])
    user.answers = [before, Answers("s1", "home", NOW_MS, [TEA], [1], [0.0])]
    for slot, kind in ((TEA, CLICK), (TEA, CLICK), (ALE, VIEW)):
        user.add_action(slot, kind, NOW_MS)
    found = cross(user, shop(), ("log_times_shown", "log_times_clicked", "log_since_shown_s"), now_ms=NOW_MS + 10_000)
    assert np.array(found) == close(
        [
            [math.log(3), math.log(3), math.log(11)],
            [math.log(2), 0.0, math.log(20)],
            [0.0, 0.0, math.log1p(NEVER_SHOWN_S)],
        ]
    )


def test_the_price_is_compared_with_the_mean_clicked_price_and_unknown_is_zero() -> None:
    user = UserState("u", price_sum=8.0, num_prices=2)
    assert np.array(cross(user, shop(), ("log_price_ratio",))) == close([[math.log(4 / 5)], [math.log(8 / 5)], [0.0]])


def test_query_overlap_is_the_share_of_its_words_found_whatever_their_case() -> None:
    found = cross(UserState("u"), shop(), ("query_overlap",), query="GREEN tea, cold!")
    assert np.array(found) == close([[2 / 3], [1 / 3], [0.0]])


def test_relevance_is_passed_on_by_item() -> None:
    assert np.array(cross(UserState("u"), shop(), ("relevance",), relevance={ALE: 0.7})) == close([[0.0], [0.7], [0.0]])


def test_an_item_without_values_has_the_prior_rate() -> None:
    items = shop()
    user = UserState("u", answers=[Answers("s", "home", NOW_MS, [TEA], [1], [0.0])])
    found = capture_cross(user, items, slots(items.slot("new")), NOW_MS, query="tea", relevance=None)
    assert found[0, : 3 * 2].tolist() == pytest.approx([logit(P), 0.0, 0.0] * 2)
