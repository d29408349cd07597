"""Neighbours summed over sources, and the strongest of them: the bits of adding them one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.features.co_clicks import by_strength, strongest, summed
from streams.features.source_counts import NEIGHBOUR_BASE_MS, NEIGHBOUR_HALF_LIFE_MS, Neighbours

AT_MS = NEIGHBOUR_BASE_MS + NEIGHBOUR_HALF_LIFE_MS
WEIGHTS = st.dictionaries(st.integers(1, 9), st.sampled_from([0.5, 1.0, 1.5, 0.1, 0.7]), max_size=9)


def id_of(slot: int) -> str:
    """Ids in another order than the slots."""
    return f"item-{9 - slot}"


@given(st.lists(WEIGHTS, max_size=4), st.integers(1, 9))
def test_the_strongest_are_those_of_sums_in_the_order_of_the_sources(sources: list[dict[int, float]], num: int) -> None:
    sums: dict[int, float] = {}
    for weights in sources:
        for slot, weight in weights.items():
            sums[slot] = sums.get(slot, 0.0) + weight
    halved = {slot: float(np.float32(weight / 2)) for slot, weight in sums.items()}
    expected = sorted(halved.items(), key=lambda pair: (-pair[1], id_of(pair[0])))[:num]

    slots, weights = summed(
        [Neighbours(weights, weights.values(), AT_MS) for weights in sources], np.full(10, 3, np.int32)
    )
    assert dict(zip(slots.tolist(), weights.tolist(), strict=True)) == halved
    found = by_strength(*strongest(num, slots, weights, id_of), id_of)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_weights_are_as_of_the_latest_click_of_any_source() -> None:
    held = [Neighbours([1], [4.0], AT_MS), Neighbours([2], [4.0], AT_MS + NEIGHBOUR_HALF_LIFE_MS)]
    slots, weights = summed(held, np.zeros(3, np.int32))
    assert (slots.tolist(), weights.tolist()) == ([1, 2], [1.0, 1.0])
