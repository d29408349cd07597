import pytest

from streams.errors import StalledError
from streams.kafka.lag import LagReport, PartitionLag
from streams.replay.waiting import SettledView


def report(*places: tuple[int | None, int]) -> LagReport:
    """Partitions of one group on one topic as (committed, end)."""
    rows = (PartitionLag("g", "t", n, done, end, end - (done or 0), 0.0) for n, (done, end) in enumerate(places))
    return LagReport(tuple(rows))


def test_settled_needs_two_readings_without_lag_and_without_news() -> None:
    view = SettledView(stall_s=10)
    readings = [
        report((3, 5), (None, 0)),
        report((5, 5), (None, 0)),
        report((7, 7), (None, 0)),
        report((7, 8), (None, 0)),
        report((8, 8), (None, 0)),
        report((8, 8), (None, 0)),
    ]
    assert [view.is_settled(one, now_s=float(n)) for n, one in enumerate(readings)] == [
        False, False, False, False, False, True,
    ]  # fmt: skip


def test_a_group_that_commits_now_and_then_is_not_stalled() -> None:
    view = SettledView(stall_s=10)
    assert not any(view.is_settled(report((done, 99)), now_s=9.0 * done) for done in range(5))


def test_a_group_that_commits_nothing_for_too_long_is_an_error_that_says_where() -> None:
    view = SettledView(stall_s=10)
    view.is_settled(report((1, 1_500)), now_s=0)
    view.is_settled(report((1, 2_001)), now_s=10)
    with pytest.raises(StalledError, match=r"2,000 records wait on t after 10 s without a commit; .*lag --watch"):
        view.is_settled(report((1, 2_001)), now_s=10.1)


def test_an_idle_time_before_new_records_is_no_stall() -> None:
    view = SettledView(stall_s=10)
    view.is_settled(report((5, 5)), now_s=0)
    assert view.is_settled(report((5, 5)), now_s=100)
    assert not view.is_settled(report((5, 6)), now_s=109)
