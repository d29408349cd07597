"""What one partition counts: rows, absolute records, neighbours."""

import json

import numpy as np
import pytest

from models.feature_schema import EVENT_KINDS
from streams.features.source_counts import NEIGHBOUR_HALF_LIFE_MS, TOTAL_OF_KIND, TOTALS, SourceCounts
from tests.features.sample_shop import CLICK, DISLIKE, IMPRESSION, NOW_MS, slots

IDS = [f"i{n}" for n in range(200)]


def test_each_kind_has_its_total_and_a_dislike_has_none() -> None:
    named = {
        kind: TOTALS[total] if total >= 0 else None for kind, total in zip(EVENT_KINDS, TOTAL_OF_KIND, strict=True)
    }
    assert named == {
        "impression": "impressions", "view": "views", "click": "clicks", "cart": "carts", "order": "orders",
        "dislike": None,
    }  # fmt: skip


def test_rows_are_given_in_order_of_first_sight() -> None:
    counts = SourceCounts()
    assert counts.rows(slots(7, 3, 7)).tolist() == [0, 1, 0]
    assert list(counts.slots()) == [7, 3]


def test_counting_one_and_counting_many_agree() -> None:
    one, many = SourceCounts(), SourceCounts()
    for kind in (IMPRESSION, CLICK, DISLIKE):
        many.add(many.rows(slots(5, 6)), kind, NOW_MS + kind)
        for slot in (5, 6):
            one.add_one(one.row(slot), kind, NOW_MS + kind)

    assert [one.record(slot, IDS) for slot in (5, 6)] == [many.record(slot, IDS) for slot in (5, 6)]
    assert one.totals[:2].tolist() == [[1, 0, 1, 0, 0, 0]] * 2


def test_growth_keeps_what_was_counted_and_new_rows_include_no_event() -> None:
    counts = SourceCounts()
    counts.add_one(counts.row(0), CLICK, NOW_MS)
    rows = [counts.row(slot) for slot in range(130)]

    assert rows == list(range(130))
    assert counts.totals[:130, 2].tolist() == [1] + [0] * 129
    assert counts.offset[:130].tolist() == [-1] * 130
    assert counts.at_ms[:130].tolist() == [NOW_MS] + [0] * 129


def test_a_record_is_taken_once_and_an_older_one_never() -> None:
    source, reader = SourceCounts(), SourceCounts()
    source.add(source.rows(slots(4)), CLICK, NOW_MS)
    source.add_neighbour(4, 9, NOW_MS)
    source.offset[source.row(4)] = 17
    record = json.loads(json.dumps(source.record(4, IDS)))
    neighbours = {IDS.index(other): (weight, at_ms) for other, weight, at_ms in record["neighbours"]}

    taken = [reader.replace(4, record | {"offset": offset}, neighbours) for offset in (17, 17, 16)]

    assert taken == [True, False, False]
    assert reader.record(4, IDS) == source.record(4, IDS)
    assert record["neighbours"] == [["i9", 1.0, NOW_MS]]


def test_a_neighbour_halves_in_thirty_days_in_whichever_order_clicks_come() -> None:
    assert NEIGHBOUR_HALF_LIFE_MS == 30 * 86_400_000
    times = (NOW_MS, NOW_MS + NEIGHBOUR_HALF_LIFE_MS)
    found = []
    for order in (times, times[::-1]):
        counts = SourceCounts()
        for at_ms in order:
            counts.add_neighbour(1, 2, at_ms)
        found.append(counts.neighbours[1])

    assert found == [{2: (1.5, times[1])}] * 2


def test_neighbours_are_compared_at_the_time_of_the_newest() -> None:
    counts = SourceCounts()
    counts.add_neighbour(1, 2, NOW_MS - NEIGHBOUR_HALF_LIFE_MS)
    counts.add_neighbour(1, 3, NOW_MS)
    assert list(counts.neighbours_of(1)) == [(2, 0.5), (3, 1.0)]
    assert list(counts.neighbours_of(99)) == []


def test_beyond_sixty_four_neighbours_the_weakest_leaves_and_never_the_newest() -> None:
    counts = SourceCounts()
    for other in range(100, 164):
        counts.add_neighbour(1, other, NOW_MS)
        if other != 130:
            counts.add_neighbour(1, other, NOW_MS)
    counts.add_neighbour(1, 199, NOW_MS)

    assert sorted(counts.neighbours[1]) == [n for n in range(100, 164) if n != 130] + [199]


def test_a_late_event_is_worth_less_than_one_that_is_new() -> None:
    counts = SourceCounts()
    row = counts.row(1)
    counts.add_one(row, CLICK, NOW_MS)
    counts.add_one(row, CLICK, NOW_MS - 1_800_000)
    assert counts.decayed[row, 0, CLICK] == pytest.approx(1.5)
    assert np.count_nonzero(counts.decayed[row]) == 3


def test_a_row_includes_events_up_to_its_offset_and_a_slot_without_one_none() -> None:
    counts = SourceCounts()
    counts.offset[counts.row(7)] = 40
    assert [counts.includes(slot, offset) for slot, offset in ((7, 39), (7, 40), (7, 41), (8, 0))] == [
        True, True, False, False,
    ]  # fmt: skip
