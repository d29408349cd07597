"""The dwell of a user's visits: heartbeats replace, new visits add, and what is remembered is bounded."""

from streams.features.user_state import MAX_OPEN_DWELLS, UserState
from tests.features.sample_shop import NOW_MS


def test_a_later_heartbeat_replaces_and_an_older_one_changes_nothing() -> None:
    user = UserState("u")
    deltas = [user.replace_dwell("s\0tea", NOW_MS + at_ms, dwell) for at_ms, dwell in ((5, 900), (3, 100), (9, 400))]
    assert (deltas, user.totals[5]) == ([900, 0, -500], 400)


def test_of_two_heartbeats_at_one_time_the_longer_counts_in_either_order() -> None:
    found = []
    for order in ((300, 900), (900, 300)):
        user = UserState("u")
        for dwell_ms in order:
            user.replace_dwell("s\0tea", NOW_MS, dwell_ms)
        found.append(user.totals[5])
    assert found == [900, 900]


def test_a_new_visit_adds_its_dwell() -> None:
    user = UserState("u")
    user.replace_dwell("\0tea", NOW_MS, 1000)
    user.end_visit("\0tea", NOW_MS)
    assert user.replace_dwell("\0tea", NOW_MS + 1, 1500) == 500
    user.end_visit("\0tea", NOW_MS + 2)
    assert user.replace_dwell("\0tea", NOW_MS + 3, 700) == 700
    assert user.totals[5] == 2200


def test_open_visits_are_bounded_and_the_longest_quiet_leaves() -> None:
    user = UserState("u")
    for n in range(MAX_OPEN_DWELLS):
        user.replace_dwell(f"v{n}", NOW_MS + n, 1)
    user.replace_dwell("v0", NOW_MS + 100, 2)
    user.replace_dwell("new", NOW_MS + 101, 1)
    assert list(user.dwells) == [f"v{n}" for n in range(2, MAX_OPEN_DWELLS)] + ["v0", "new"]


def test_a_visit_that_ended_is_forgotten_before_one_that_is_open() -> None:
    """The open one has heartbeats to come, and each replaces the one before."""
    user = UserState("u")
    user.replace_dwell("open", NOW_MS, 1000)
    for n in range(3 * MAX_OPEN_DWELLS):
        user.replace_dwell(f"v{n}", NOW_MS + n, 10, is_final=True)
    user.replace_dwell("open", NOW_MS + 1000, 5000)
    assert user.totals[5] == 5000 + 10 * 3 * MAX_OPEN_DWELLS
    assert len(user.dwells) == MAX_OPEN_DWELLS == 100


def test_of_two_heartbeats_alike_the_final_one_stays_in_either_order() -> None:
    found = []
    for order in ((False, True), (True, False)):
        user = UserState("u")
        for is_final in order:
            user.replace_dwell("v", NOW_MS, 300, is_final=is_final)
        found.append((user.totals[5], user.dwells["v"].is_final))
    assert found == [(300, True)] * 2
