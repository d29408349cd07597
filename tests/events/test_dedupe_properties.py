"""Dedupe against a plain model of its promise: known for 24 h of event time, and at least the last 256 per user."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.dedupe import HORIZON_MS, MIN_REMEMBERED, EventIds, Segment

HOUR_MS = 3_600_000
EVENTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60), st.booleans()), max_size=400)


@settings(max_examples=150)
@given(EVENTS, st.integers(1, 40))
def test_an_id_is_new_once_within_the_horizon_however_often_memory_is_cleaned(
    events: list[tuple[int, int, bool]], stride: int
) -> None:
    """`stride` spreads ids, so that some examples have many and others repeat a few."""
    ids, now_ms, seen, order = EventIds([]), 0, dict[str, int](), list[str]()
    for number, (name, hours, should_clean) in enumerate(events):
        at_ms = hours * HOUR_MS
        now_ms = max(now_ms, at_ms)
        event_id = f"{name}:{number // stride}"
        is_new = ids.is_new(event_id, at_ms)
        must_know = event_id in seen and (seen[event_id] > now_ms - HORIZON_MS or event_id in order[-MIN_REMEMBERED:])
        assert not (must_know and is_new)
        assert is_new or event_id in seen
        if is_new:
            seen[event_id] = at_ms
            order.append(event_id)
        if should_clean:
            ids.forget_old(now_ms)


@settings(max_examples=100)
@given(EVENTS)
def test_ids_read_back_from_their_segments_know_the_same(events: list[tuple[int, int, bool]]) -> None:
    ids = EventIds([])
    for name, hours, _ in events:
        ids.is_new(str(name), hours * HOUR_MS)
    again = EventIds([Segment(s.number, s.newest_ms, list(s.hashes)) for s in ids.segments])

    assert [again.is_new(str(name), 0) for name, _, _ in events] == [False] * len(events)
