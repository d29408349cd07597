"""The item table: sums over sources, base rate, neighbours."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.features.count_record import CountRecord
from streams.features.items import MIN_IMPRESSIONS, PRIOR_CLICK_RATE, ItemTable
from streams.features.source_counts import SourceCounts
from tests.features.sample_shop import CLICK, DAY_MS, IMPRESSION, NOW_MS, VIEW, shop

TEA, ALE, CUP = 1, 2, 3


def table(items: ItemTable) -> tuple[Any, ...]:
    """Everything counted."""
    n = items.n
    return (
        items.totals[:n].tolist(),
        items.decayed[:n].tolist(),
        items.at_ms[:n].tolist(),
        items.base_rate,
        [tuple(part.tolist() for part in items.neighbours(slot)) for slot in range(n)],
    )


def source_records() -> list[tuple[int, str, CountRecord]]:
    """(source, item, record): two sources, each with an early and a later record of two items."""
    found = []
    for source in range(2):
        items, counts = shop(num_sources=2), SourceCounts()
        for step in range(2):
            for slot in (TEA, ALE):
                row = counts.row(slot)
                for kind in (IMPRESSION, CLICK, VIEW)[: 2 + step]:
                    counts.add_one(row, kind, NOW_MS + source * DAY_MS + step * 1000 + kind)
                counts.add_co_click(slot, [CUP], NOW_MS + step)
                counts.offset[row] = 10 * step + slot
                found.append((source, items.item_ids[slot], counts.record(slot, items.item_ids)))
    return found


RECORDS = source_records()
LATEST = [record for record in RECORDS if record[2].offset >= 10]


@given(st.lists(st.sampled_from(range(len(RECORDS))), max_size=12), st.permutations(range(len(LATEST))))
def test_sums_depend_neither_on_order_nor_on_repetition(noise: list[int], order: list[int]) -> None:
    """Whatever came before, once the latest record of each source is in, the sums are the same bits."""
    expected, found = shop(num_sources=2), shop(num_sources=2)
    for source, item_id, record in LATEST:
        expected.apply(source, [(item_id, record)])
    for source, item_id, record in [*(RECORDS[n] for n in noise), *(LATEST[n] for n in order)]:
        found.apply(source, [(item_id, record)])
    for source in range(2):
        found.apply(source, [RECORDS[n][1:] for n in noise if RECORDS[n][0] == source])

    assert table(found) == table(expected)


@given(st.lists(st.sampled_from(range(len(RECORDS))), max_size=24))
def test_records_taken_together_give_the_bits_of_records_taken_one_by_one(order: list[int]) -> None:
    one, many = shop(num_sources=2), shop(num_sources=2)
    for source in range(2):
        records = [RECORDS[n][1:] for n in order if RECORDS[n][0] == source]
        many.apply(source, records)
        for record in records:
            one.apply(source, [record])

    assert table(one) == table(many)


def test_sources_add_up_at_the_time_of_the_newest() -> None:
    items = shop(num_sources=2)
    for source, at_ms in ((0, NOW_MS), (1, NOW_MS + DAY_MS)):
        counts = SourceCounts()
        counts.add_one(counts.row(TEA), CLICK, at_ms)
        counts.offset[0] = 5
        items.apply(source, [("tea", counts.record(TEA, items.item_ids))])

    assert items.totals[TEA].tolist() == [0, 0, 2, 0, 0, 0]
    assert items.decayed[TEA, :, CLICK].tolist() == pytest.approx([1 + 2.0**-48, 1.5, 1 + 2 ** (-1 / 7)])
    assert items.at_ms[TEA] == NOW_MS + DAY_MS


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(0, 10**9)), max_size=20))
def test_counting_one_item_gives_the_bits_of_counting_an_array(events: list[tuple[int, int, int]]) -> None:
    one, many = shop(), shop()
    for kind, slot, after_ms in events:
        one.count_one(0, slot, kind, NOW_MS + after_ms)
        many.count(0, [slot], kind, NOW_MS + after_ms)

    assert table(one) == table(many)
    assert one.decayed.tobytes() == many.decayed.tobytes()
    assert [one.sources[0].record(slot, one.item_ids) for slot in (1, 2, 3)] == [
        many.sources[0].record(slot, many.item_ids) for slot in (1, 2, 3)
    ]


def test_own_counts_and_the_same_counts_as_records_agree() -> None:
    own, other = shop(), shop()
    for kind, slot in itertools.product((IMPRESSION, CLICK), (TEA, ALE)):
        own.count_one(0, slot, kind, NOW_MS + kind)
    own.add_co_click(0, TEA, [ALE], NOW_MS)
    own.add_dwell(0, TEA, 4500, NOW_MS + DAY_MS)
    counts = own.sources[0]
    counts.offset[:2] = 3
    other.apply(0, [(own.item_ids[slot], counts.record(slot, own.item_ids)) for slot in (TEA, ALE)])

    assert table(other) == table(own)


def test_a_dropped_source_leaves_the_others_alone() -> None:
    items = shop(num_sources=2)
    items.count_one(0, TEA, IMPRESSION, NOW_MS)
    expected = table(items)
    items.count_one(1, TEA, IMPRESSION, NOW_MS + DAY_MS)
    items.count_one(1, ALE, CLICK, NOW_MS)
    items.add_co_click(1, TEA, [ALE], NOW_MS)
    items.drop_source(1)

    assert table(items) == expected
    assert list(items.sources[1].slots()) == []


def test_base_rate_is_a_prior_until_enough_was_seen_and_stays_in_bounds() -> None:
    items = shop()
    found = [items.base_rate]
    for kind, num in ((IMPRESSION, MIN_IMPRESSIONS - 1), (IMPRESSION, 1), (CLICK, 25), (CLICK, 75)):
        for _ in range(num):
            items.count_one(0, TEA, kind, NOW_MS)
        found.append(items.base_rate)

    assert found == [PRIOR_CLICK_RATE, PRIOR_CLICK_RATE, 0.001, 0.25, 0.5]


def test_dwell_of_a_heartbeat_that_shrank_is_taken_back() -> None:
    items = shop()
    for delta_ms in (9000, -2000):
        items.add_dwell(0, TEA, delta_ms, NOW_MS)
    assert items.totals[TEA].tolist() == items.sources[0].totals[0].tolist() == [0, 0, 0, 0, 0, 7000]


def test_dwell_moves_the_time_of_the_counters_forward_and_never_back() -> None:
    """An item with dwell alone has a row of that time, not of 1970."""
    items = shop()
    items.add_dwell(0, ALE, 1000, NOW_MS)
    for slot, at_ms in ((TEA, NOW_MS), (TEA, NOW_MS + DAY_MS), (TEA, NOW_MS - DAY_MS)):
        items.add_dwell(0, slot, 1000, at_ms)
        items.count_one(0, slot, CLICK, NOW_MS)

    source = items.sources[0]
    assert items.at_ms[[ALE, TEA]].tolist() == source.at_ms[:2].tolist() == [NOW_MS, NOW_MS + DAY_MS]
    assert items.decayed[TEA, 1, CLICK] == source.decayed[1, 1, CLICK] == 1.5
    assert items.decayed[[ALE, TEA]].tobytes() == source.decayed[:2].tobytes()


def test_co_clicks_count_in_both_directions_strongest_first() -> None:
    items = shop(num_sources=2)
    items.add_co_click(0, TEA, [ALE, CUP], NOW_MS)
    items.neighbours(TEA)
    items.add_co_click(1, CUP, [TEA], NOW_MS)

    found = {slot: dict(zip(*(part.tolist() for part in items.neighbours(slot)), strict=True)) for slot in (1, 2, 3)}
    assert found == {TEA: {CUP: 2.0, ALE: 1.0}, ALE: {TEA: 1.0}, CUP: {TEA: 2.0}}
    assert items.neighbours(TEA)[0].tolist() == [CUP, ALE]


def test_equally_strong_neighbours_are_ordered_by_item_id_and_cut_at_sixty_four() -> None:
    items = shop(num_sources=2)
    others = {source: [items.slot(f"n{source}{n:02d}") for n in range(50)] for source in (1, 0)}
    for source, slots_ in others.items():
        items.add_co_click(source, TEA, slots_, NOW_MS)

    found = [items.item_ids[slot] for slot in items.neighbours(TEA)[0].tolist()]
    assert found == [f"n0{n:02d}" for n in range(50)] + [f"n1{n:02d}" for n in range(14)]


def test_growth_keeps_counts_and_prices() -> None:
    items = shop()
    items.count_one(0, TEA, CLICK, NOW_MS)
    for n in range(3000):
        items.slot(f"new{n}")

    assert (items.n, items.totals[TEA, 2], items.price[TEA]) == (3004, 1, 3.0)
    assert items.totals[: items.n].sum() == 1
    assert np.isnan(items.price[3000:3004]).all()
    assert items.item_ids[items.slot("new2999")] == "new2999"
