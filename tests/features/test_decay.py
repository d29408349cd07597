"""Decayed counters: half-lives of 30 minutes, a day and a week."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.features.count_kernel import count_row, count_rows
from streams.features.decay import HALF_LIVES_MS, add_forward, as_of, decay_to
from tests.features.sample_shop import CART, CLICK, DAY_MS, HALF_HOUR_MS, NOW_MS, VIEW, WEEK_MS

EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(NOW_MS, NOW_MS + 3 * DAY_MS)), max_size=12)


def counters(num: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Totals, decayed values and times of so many rows."""
    return np.zeros((num, 6), np.int64), np.zeros((num, 3, 6)), np.zeros(num, np.int64)


def test_half_lives_are_half_an_hour_a_day_and_a_week() -> None:
    assert HALF_LIVES_MS.tolist() == [HALF_HOUR_MS, DAY_MS, WEEK_MS]


def test_a_counter_halves_after_each_half_life() -> None:
    totals, values, at_ms = counters(1)
    count_rows(totals, values, at_ms, np.array([0], np.int32), CLICK, NOW_MS)

    clicks = {
        later_ms: decay_to(values, at_ms, NOW_MS + later_ms)[0, :, CLICK].tolist()
        for later_ms in (0, HALF_HOUR_MS, DAY_MS, WEEK_MS)
    }

    assert clicks[0] == [1.0, 1.0, 1.0]
    assert clicks[HALF_HOUR_MS] == [0.5, 2 ** (-1 / 48), 2 ** (-1 / 336)]
    assert clicks[DAY_MS] == [2.0**-48, 0.5, 2 ** (-1 / 7)]
    assert clicks[WEEK_MS] == [2.0**-336, 2.0**-7, 0.5]


def test_a_late_event_adds_what_is_left_of_it_and_leaves_the_time() -> None:
    totals, values, at_ms = counters(1)
    for event_at_ms in (NOW_MS, NOW_MS - DAY_MS):
        count_rows(totals, values, at_ms, np.array([0], np.int32), VIEW, event_at_ms)

    assert values[0, :, VIEW].tolist() == [1.0 + 2.0**-48, 1.5, 1.0 + 2 ** (-1 / 7)]
    assert at_ms.tolist() == [NOW_MS]


def test_only_the_named_rows_and_kind_change() -> None:
    totals, values, at_ms = counters(3)
    at_ms[:] = NOW_MS
    count_rows(totals, values, at_ms, np.array([2, 0], np.int32), CART, NOW_MS)

    expected = np.zeros((3, 3, 6))
    expected[[0, 2], :, CART] = 1.0
    assert values.tolist() == expected.tolist()


def test_an_older_moment_never_decays_upward() -> None:
    values = np.full((1, 3, 6), 2.0)
    assert decay_to(values, np.array([NOW_MS]), NOW_MS - WEEK_MS).tolist() == values.tolist()


@given(EVENTS)
def test_one_row_alone_gives_the_bits_of_the_vector_path(events: list[tuple[int, int]]) -> None:
    many, one = counters(3), counters(3)
    for kind, event_at_ms in events:
        count_rows(*many, np.array([2, 0], np.int32), kind, event_at_ms)
        for row in (2, 0):
            count_row(*one, row, kind, event_at_ms)

    assert [held.tobytes() for held in one] == [held.tobytes() for held in many]


@given(EVENTS)
def test_a_list_that_grows_forward_is_worth_what_an_array_is(events: list[tuple[int, int]]) -> None:
    """Three days are 144 of the shortest half-lives: the base moves."""
    totals, values, at_ms = counters(1)
    held, base_ms = [0.0] * 18, 0
    for kind, event_at_ms in events:
        count_row(totals, values, at_ms, 0, kind, event_at_ms)
        base_ms = add_forward(held, base_ms, kind, event_at_ms, 1)

    assert as_of(held, base_ms, int(at_ms[0])) == pytest.approx(values.ravel().tolist())
    assert max(held, default=0.0) <= len(events) * 2.0**16


def test_several_at_once_count_as_often_as_they_are() -> None:
    held = [0.0] * 18
    base_ms = add_forward(held, 0, CLICK, NOW_MS, 20)
    assert (base_ms, held[CLICK::6]) == (NOW_MS, [20.0, 20.0, 20.0])
    assert as_of(held, base_ms, NOW_MS + DAY_MS)[CLICK::6] == [20 * 2.0**-48, 10.0, 20 * 2 ** (-1 / 7)]


@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(events: list[tuple[int, int]], random: Random) -> None:
    shuffled = random.sample(events, len(events))
    found = []
    for log in (events, shuffled):
        totals, values, at_ms = counters(1)
        for kind, event_at_ms in log:
            count_row(totals, values, at_ms, 0, kind, event_at_ms)
        found.append((values.ravel().tolist(), int(at_ms[0])))

    assert found[0][0] == pytest.approx(found[1][0])
    assert found[0][1] == found[1][1]
