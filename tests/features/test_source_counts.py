"""What one partition counts: rows, absolute records, neighbours."""

import re
from typing import Any

import msgspec
import numpy as np
import pytest

from models.feature_schema import EVENT_KINDS
from streams.events.event_time import OLDEST_MS
from streams.features.count_record import TOTAL_OF_KIND, TOTALS, decode_counts
from streams.features.source_counts import (
    NEIGHBOUR_HALF_LIFE_MS,
    NEIGHBOURS_KEPT,
    NEIGHBOURS_MAX,
    Neighbours,
    SourceCounts,
    neighbours_left,
)
from tests.features.sample_shop import CLICK, DISLIKE, IMPRESSION, NOW_MS

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
    assert counts.rows([7, 3, 7]).tolist() == [0, 1, 0]
    assert list(counts.slots()) == [7, 3]


def test_counting_one_and_counting_many_agree() -> None:
    one, many = SourceCounts(), SourceCounts()
    for kind in (IMPRESSION, CLICK, DISLIKE):
        many.add(many.rows([5, 6]), kind, NOW_MS + kind)
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


def test_a_record_becomes_the_row_and_says_what_the_row_includes() -> None:
    source, reader = SourceCounts(), SourceCounts()
    source.add(source.rows([4]), CLICK, NOW_MS)
    source.add_co_click(4, [9], NOW_MS)
    source.offset[source.row(4)] = 17
    record = decode_counts(msgspec.json.encode(source.record(4, IDS)))
    weights = {IDS.index(other): weight for other, weight in record.neighbours}
    before = reader.includes(4, 0)

    reader.replace({4: record}, [Neighbours(weights, weights.values(), record.neighbours_at_ms)])

    assert reader.record(4, IDS) == source.record(4, IDS)
    assert (list(weights), record.neighbours_at_ms) == ([9], NOW_MS)
    assert (before, [reader.includes(4, offset) for offset in (16, 17, 18)]) == (False, [True, True, False])
    assert [part.tolist() for part in reader.held([9, 4, 4])] == [[1, 2], [0, 0]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"totals": [1, 2]}, "Expected `array` of length >= 6 - at `$.totals`"),
        ({"decayed": []}, "Expected `array` of length >= 18 - at `$.decayed`"),
        ({"offset": "1"}, "Expected `int`, got `str` - at `$.offset`"),
        ({"at_ms": 2**63}, "Expected `int` <= 9223372036854775807 - at `$.at_ms`"),
        ({"neighbours": [["x"]]}, "Expected `array` of length 2 - at `$.neighbours[0]`"),
    ],
)
def test_what_is_no_record_of_counts_is_refused_with_the_place(change: dict[str, Any], reason: str) -> None:
    record = msgspec.to_builtins(SourceCounts().record(4, IDS))
    assert decode_counts(msgspec.json.encode(record)) == SourceCounts().record(4, IDS)
    with pytest.raises(ValueError, match=re.escape(reason)):
        decode_counts(msgspec.json.encode(record | change))


def worth(counts: SourceCounts, slot: int) -> dict[int, float]:
    """Neighbours of a slot with their weights at the time of the latest."""
    near = counts.neighbours[slot]
    return {other: weight * neighbours_left(near.at_ms) for other, weight in zip(near.slots, near.weights, strict=True)}


def test_a_neighbour_halves_in_thirty_days_in_whichever_order_clicks_come() -> None:
    assert NEIGHBOUR_HALF_LIFE_MS == 30 * 86_400_000
    times = (NOW_MS, NOW_MS + NEIGHBOUR_HALF_LIFE_MS)
    for order in (times, times[::-1]):
        counts = SourceCounts()
        for at_ms in order:
            counts.add_co_click(1, [2], at_ms)
        assert worth(counts, 1) == {2: pytest.approx(1.5)}
        assert worth(counts, 2) == {1: pytest.approx(1.5)}
        assert counts.neighbours[1].at_ms == times[1]


def test_weights_hold_from_the_oldest_event_that_is_taken_to_the_end_of_the_century() -> None:
    for at_ms in (OLDEST_MS, 4_102_444_800_000):
        counts = SourceCounts()
        counts.add_co_click(1, [2], at_ms)
        assert worth(counts, 1) == {2: pytest.approx(1.0)}


def test_beyond_eighty_neighbours_the_weakest_leave() -> None:
    counts, others = SourceCounts(), range(100, 100 + NEIGHBOURS_MAX)
    strong = set(others[:NEIGHBOURS_KEPT])
    for other in others:
        for _ in range(1 + (other in strong)):
            counts.add_co_click(1, [other], NOW_MS)
    assert list(worth(counts, 1)) == list(others)
    counts.add_co_click(1, [99], NOW_MS)

    assert list(worth(counts, 1)) == list(others[:NEIGHBOURS_KEPT])
    counts.add_co_click(1, [99, 98], NOW_MS)
    assert list(worth(counts, 1)) == [*others[:NEIGHBOURS_KEPT], 99, 98]


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
