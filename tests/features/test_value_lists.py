"""Lists by slot: the last one set is what a slot has, however often they change."""

from hypothesis import given
from hypothesis import strategies as st

from streams.features.value_lists import ValueLists

SETS = st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 2**31 - 1), max_size=700)), max_size=40)


def test_a_slot_never_set_has_nothing() -> None:
    lists = ValueLists()
    lists.grow(2)
    assert [lists[0].tolist(), lists[1].tolist()] == [[], []]


@given(SETS)
def test_every_slot_has_what_was_set_last(sets: list[tuple[int, list[int]]]) -> None:
    lists, expected = ValueLists(), {slot: list[int]() for slot in range(10)}
    lists.grow(10)
    for slot, numbers in sets:
        lists[slot] = expected[slot] = numbers
        assert {other: lists[other].tolist() for other in range(10)} == expected


def test_numbers_that_no_slot_has_any_more_make_room_for_others() -> None:
    lists = ValueLists()
    lists.grow(1)
    for n in range(10_000):
        lists[0] = [n] * 100
    assert (lists[0].tolist(), len(lists.held)) == ([9_999] * 100, 1024)
