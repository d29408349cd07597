"""Lag in records and seconds, worked out from places and append times."""

from streams.kafka.lag import LagReport, PartitionLag, Place, measure, our_groups
from streams.settings import Settings

NOW_MS = 1_700_000_010_000


def test_a_group_is_behind_by_the_records_after_its_commit_and_by_the_age_of_the_first() -> None:
    places = [Place("g", "t", 0, committed=4, start=0, end=10), Place("g", "t", 1, committed=7, start=0, end=7)]
    report = measure(places, {("t", 0, 4): NOW_MS - 2500}, NOW_MS)
    assert report.to_json() == {
        "partitions": [
            {
                "group": "g",
                "topic": "t",
                "partition": 0,
                "committed_offset": 4,
                "end_offset": 10,
                "lag": 6,
                "lag_s": 2.5,
            },
            {
                "group": "g",
                "topic": "t",
                "partition": 1,
                "committed_offset": 7,
                "end_offset": 7,
                "lag": 0,
                "lag_s": 0.0,
            },
        ],
        "total_lag": 6,
        "max_lag_s": 2.5,
    }


def test_a_group_that_never_committed_lags_from_the_start_of_the_log() -> None:
    place = Place("g", "t", 0, committed=None, start=30, end=50)
    assert place.waiting == ("t", 0, 30)
    assert measure([place], {("t", 0, 30): NOW_MS - 1000}, NOW_MS).partitions == (
        PartitionLag("g", "t", 0, None, 50, 20, 1.0),
    )


def test_records_that_retention_took_count_as_lag_and_the_age_is_of_the_oldest_still_there() -> None:
    place = Place("g", "t", 0, committed=10, start=30, end=50)
    assert place.waiting == ("t", 0, 30)
    assert place.lag == 40


def test_a_broker_clock_ahead_of_ours_gives_age_zero_not_below() -> None:
    place = Place("g", "t", 0, committed=0, start=0, end=1)
    assert measure([place], {("t", 0, 0): NOW_MS + 5000}, NOW_MS).max_lag_s == 0.0


def test_rows_come_sorted_and_two_groups_on_one_partition_stay_apart() -> None:
    places = [
        Place("b", "t", 0, committed=1, start=0, end=3),
        Place("a", "t", 10, committed=3, start=0, end=3),
        Place("a", "t", 2, committed=0, start=0, end=3),
    ]
    report = measure(places, {("t", 0, 1): NOW_MS - 1000, ("t", 2, 0): NOW_MS - 9000}, NOW_MS)
    assert [(p.group, p.partition, p.lag, p.lag_s) for p in report.partitions] == [
        ("a", 2, 3, 9.0),
        ("a", 10, 0, 0.0),
        ("b", 0, 2, 1.0),
    ]
    assert (report.total_lag, report.max_lag_s) == (5, 9.0)


def test_an_empty_report_is_no_lag() -> None:
    assert LagReport(()).to_json() == {"partitions": [], "total_lag": 0, "max_lag_s": 0.0}


def test_our_groups_are_named_from_the_prefix_and_read_these_topics() -> None:
    assert our_groups(Settings(topic_prefix="shop.")) == {
        "shop.worker": ("shop.events", "shop.item-counts"),
        "shop.trainer": ("shop.training-examples",),
    }
