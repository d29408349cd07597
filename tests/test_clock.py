"""Clocks: the machine's, and one that moves when told to."""

import pytest

from streams.clock import Clock, ManualClock, SystemClock


def test_a_manual_clock_moves_only_when_told_to() -> None:
    clock = ManualClock(5000)
    found = []
    for by_ms in (0, 1500, 0):
        clock.advance_ms(by_ms)
        found.append((clock.now_ms(), clock.monotonic_s()))
    assert found == [(5000, 5.0), (6500, 6.5), (6500, 6.5)]


def test_a_clock_told_to_go_back_refuses_and_stays() -> None:
    clock = ManualClock(5000)
    with pytest.raises(ValueError, match=r"advance_ms\(-1\): a clock never goes back"):
        clock.advance_ms(-1)
    assert clock.now_ms() == 5000


def test_a_manual_clock_starts_at_a_time_that_events_may_have() -> None:
    assert ManualClock().now_ms() == 1_700_000_000_000


def test_the_machine_says_milliseconds_since_the_epoch_and_seconds_that_never_go_back() -> None:
    clock: Clock = SystemClock()
    wall_ms = [clock.now_ms() for _ in range(3)]
    mono_s = [clock.monotonic_s() for _ in range(3)]
    assert 1_700_000_000_000 < wall_ms[0] < 10_000_000_000_000
    assert mono_s == sorted(mono_s)
