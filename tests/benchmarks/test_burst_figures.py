"""What a burst did to lists, by hand-made waits."""

from benchmarks.burst_figures import by_activity, by_bin, kept_share, recovered_after_s, within
from benchmarks.refreshes import Refreshed, Trigger


def bins(*p95_ms: float) -> list[dict[str, float]]:
    return [{"at_s": 5 * number, "p95_ms": value} for number, value in enumerate(p95_ms)]


def test_waits_fall_into_bins_of_five_seconds_of_their_append() -> None:
    found = by_bin([(1000, 10), (5999, 30), (6000, 7), (16_000, 8)], 1000)
    assert found == [
        {"at_s": 0, "p50_ms": 20.0, "p95_ms": 29.0, "num": 2},
        {"at_s": 5, "p50_ms": 7.0, "p95_ms": 7.0, "num": 1},
        {"at_s": 15, "p50_ms": 8.0, "p95_ms": 8.0, "num": 1},
    ]


def test_lists_have_recovered_when_they_wait_no_more_than_twice_as_long_as_before() -> None:
    assert recovered_after_s(bins(10, 12, 900, 800, 25, 15, 11), 10, 20) == 5
    assert recovered_after_s(bins(10, 12, 900, 800, 18, 15), 10, 20) == 0
    assert recovered_after_s(bins(10, 12, 900, 800, 15, 700), 10, 20) is None
    assert recovered_after_s(bins(10, 12), 10, 20) is None


def test_the_share_kept_is_of_turns_and_bands_are_of_triggers_per_user() -> None:
    busy = [Trigger("busy", at, at) for at in range(4)]
    found = Refreshed(listed=busy[:1], coalesced=busy[1:2], shed=[*busy[2:], Trigger("rare", 9, 9)])
    assert kept_share(found) == 0.25
    assert by_activity(found) == {
        "1": {"users": 1, "triggers": 1, "triggers_covered_frac": 0.0, "users_with_list_frac": 0.0},
        "4-9": {"users": 1, "triggers": 4, "triggers_covered_frac": 0.5, "users_with_list_frac": 1.0},
    }
    assert within(found, lambda trigger: trigger.appended_ms >= 2).num_triggers == 3
    assert kept_share(Refreshed()) is None
