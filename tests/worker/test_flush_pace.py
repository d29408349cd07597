"""When flushes are due, by a clock of the test's own, which moves in sixteenths of a second."""

from itertools import pairwise

import pytest

from streams.worker.flush_pace import FlushPace

SHORTEST_S, LONGEST_S, STEPS_PER_S = 0.25, 5.0, 16


def flushes(flush_s: float, *, flow_s: float, until_s: float, is_full: bool = False) -> list[float]:
    """When flushes begin that take `flush_s`, while chunks come at every step before `flow_s`."""
    pace, began, free_s = FlushPace(SHORTEST_S, LONGEST_S), list[float](), 0.0
    pace.flushed(0.0, 0.0)
    for step in range(round(until_s * STEPS_PER_S)):
        now_s = step / STEPS_PER_S
        if now_s < flow_s:
            pace.chunk_taken(now_s, is_full=is_full)
        if now_s >= free_s and pace.is_due(now_s):
            began.append(now_s)
            free_s = now_s + flush_s
            pace.flushed(now_s, free_s)
    return began


@pytest.mark.parametrize(
    ("flush_s", "pause_s"), [(0.0, 0.25), (0.0625, 0.25), (0.125, 0.5), (0.5, 2.0), (1.0, 4.0), (2.0, 5.0)]
)
def test_a_flush_rests_four_times_as_long_as_it_took_while_events_come(flush_s: float, pause_s: float) -> None:
    began = flushes(flush_s, flow_s=40.0, until_s=40.0)
    # How long the first took was not known before it.
    assert began[0] == SHORTEST_S
    assert {after - before for before, after in pairwise(began)} == {flush_s + pause_s}


def test_it_rests_longest_while_full_chunks_come() -> None:
    assert flushes(0.125, flow_s=12.0, until_s=12.0, is_full=True) == [5.0, 10.125]


@pytest.mark.parametrize(("chunks", "before"), [("small", [0.25]), ("full", [])])
def test_when_the_flow_stops_the_next_flush_is_due_at_once(chunks: str, before: list[float]) -> None:
    # The last chunk comes a sixteenth before 3, and a quarter later it is known that none follows.
    assert flushes(1.0, flow_s=3.0, until_s=4.375, is_full=chunks == "full") == [*before, 3.1875]


def test_an_idle_worker_flushes_at_the_shortest_pauses() -> None:
    assert flushes(0.25, flow_s=0.0, until_s=1.5) == [0.25, 0.75, 1.25]


def test_who_waits_for_a_flush_calls_off_the_rest_of_those_of_the_next_second() -> None:
    pace, due = FlushPace(SHORTEST_S, LONGEST_S), list[float]()
    pace.flushed(0.0, 1.0)
    for step in range(16, 96):
        now_s = step / STEPS_PER_S
        pace.chunk_taken(now_s, is_full=True)
        if now_s == 1.5:
            pace.hurry(now_s)
        if pace.is_due(now_s):
            due.append(now_s)
            pace.flushed(now_s, now_s + 0.125)
    assert due == [1.5, 1.875, 2.25]
