"""Remembered event ids: a day of event time, and at least the last 256."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.events.dedupe import EventIds, Segment, event_hash

DAY_MS = 86_400_000
NOW_MS = 1_750_000_000_000


def remembered(num: int, at_ms: int, prefix: str = "e") -> EventIds:
    """So many ids, all of one time."""
    ids = EventIds([])
    assert all(ids.is_new(f"{prefix}{n}", at_ms) for n in range(num))
    return ids


def test_an_id_is_new_once() -> None:
    ids = EventIds([])
    assert [ids.is_new(event_id, NOW_MS) for event_id in ("a", "b", "a", "é", "b", "c")] == [
        True, True, False, True, False, True,
    ]  # fmt: skip


def test_hashes_are_the_same_in_every_process() -> None:
    assert [event_hash(event_id) for event_id in ("", "e1")] == [0xE4A6A0577479B2B4, 0x1B5D5E51F54F0F04]


def test_ids_fill_segments_of_sixty_four_that_know_their_newest_time() -> None:
    ids = EventIds([])
    for n in range(130):
        ids.is_new(f"e{n}", NOW_MS + (1000 if n == 3 else n))
    found = [(segment.number, len(segment.hashes), segment.newest_ms - NOW_MS) for segment in ids.segments]
    assert found == [(0, 64, 1000), (1, 64, 127), (2, 2, 129)]


def test_ids_of_the_last_day_stay_however_many() -> None:
    ids = remembered(1000, NOW_MS)
    assert ids.forget_old(NOW_MS + DAY_MS - 1) == []
    assert not any(ids.is_new(f"e{n}", NOW_MS) for n in range(1000))


def test_older_ids_go_by_whole_segments_but_never_below_the_last_256() -> None:
    ids = remembered(64 * 6 + 10, NOW_MS)
    assert ids.forget_old(NOW_MS + DAY_MS) == [0, 1]
    assert [segment.number for segment in ids.segments] == [2, 3, 4, 5, 6]
    assert [ids.is_new(f"e{n}", NOW_MS) for n in (0, 127, 128, 393)] == [True, True, False, False]


def test_a_few_ids_are_remembered_for_ever() -> None:
    ids = remembered(256, NOW_MS)
    assert ids.forget_old(NOW_MS + 1000 * DAY_MS) == []
    assert EventIds([]).forget_old(NOW_MS) == []


def test_numbers_go_on_after_segments_were_dropped_and_read_back() -> None:
    ids = remembered(64 * 6, NOW_MS)
    ids.forget_old(NOW_MS + 2 * DAY_MS)
    read_back = EventIds(msgspec.json.decode(msgspec.json.encode(ids.segments), type=list[Segment]))
    assert read_back.is_new("next", NOW_MS)
    assert [(segment.number, len(segment.hashes)) for segment in read_back.segments] == [
        (2, 64), (3, 64), (4, 64), (5, 64), (6, 1),
    ]  # fmt: skip
    assert not read_back.is_new("e383", NOW_MS)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3 * DAY_MS)), max_size=400))
def test_whatever_is_less_than_a_day_old_or_among_the_last_256_is_known(events: list[tuple[int, int]]) -> None:
    ids, taken, newest_ms = EventIds([]), list[tuple[str, int]](), 0
    for number, at_ms in events:
        must_know = {e for e, then_ms in taken if then_ms > newest_ms - DAY_MS} | {e for e, _ in taken[-256:]}
        if ids.is_new(f"e{number}", at_ms):
            assert f"e{number}" not in must_know
            taken.append((f"e{number}", at_ms))
        newest_ms = max(newest_ms, at_ms)
        ids.forget_old(newest_ms)
