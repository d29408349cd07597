from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.ranking.rerank import DueRerank, RerankSchedule
from streams.settings import RankingSettings

SETTINGS = RankingSettings(rerank_interval_s=1.0, rerank_max_delay_s=5.0, rerank_active_users=2)


def event(user_id: str, appended_at_ms: int, surface: str = "home") -> DueRerank:
    return DueRerank(user_id, surface, "event", appended_at_ms)


def model(user_id: str, at_ms: int, surface: str = "home") -> DueRerank:
    return DueRerank(user_id, surface, "model", at_ms)


def test_a_first_trigger_is_due_at_once_and_only_once() -> None:
    schedule = RerankSchedule(SETTINGS)
    schedule.trigger("u", "home", 990, 1000)
    assert schedule.due(1000) == [event("u", 990)]
    assert schedule.due(9000) == []


def test_triggers_within_the_interval_are_one_when_it_is_over() -> None:
    schedule = RerankSchedule(SETTINGS)
    schedule.trigger("u", "home", 0, 0)
    schedule.due(0)
    for at_ms in (100, 500, 900):
        schedule.trigger("u", "home", at_ms, at_ms)
    assert [schedule.due(at_ms) for at_ms in (900, 999, 1000, 2000)] == [[], [], [event("u", 100)], []]
    assert schedule.num_coalesced == 2


def test_surfaces_and_users_have_intervals_of_their_own() -> None:
    schedule = RerankSchedule(SETTINGS)
    schedule.trigger("u", "home", 0, 0)
    schedule.due(0)
    schedule.trigger("u", "cart", 1, 10)
    schedule.trigger("v", "home", 2, 10)
    assert schedule.due(10) == [event("v", 2), event("u", 1, "cart")]


def test_a_trigger_that_arrives_too_late_is_shed_and_counted() -> None:
    schedule = RerankSchedule(SETTINGS)
    schedule.trigger("u", "home", 0, 5000)
    schedule.trigger("v", "home", 0, 5001)
    assert schedule.due(5001) == [event("u", 0)]
    assert schedule.num_shed == 1


def test_waiting_for_a_long_interval_never_sheds() -> None:
    schedule = RerankSchedule(RankingSettings(rerank_interval_s=60.0, rerank_max_delay_s=5.0))
    for at_ms in (0, 1000):
        schedule.trigger("u", "home", at_ms, at_ms)
        schedule.due(at_ms)
    assert schedule.due(60_000) == [event("u", 1000)]
    assert schedule.num_shed == 0


def test_a_turn_that_nobody_took_for_too_long_is_shed_and_counted() -> None:
    schedule = RerankSchedule(SETTINGS)
    for at_ms, user_id in ((0, "b"), (1, "c"), (2, "a")):
        schedule.trigger(user_id, "home", at_ms, at_ms)
    assert schedule.due(5000, limit=1) == [event("a", 2)]
    assert schedule.due(5001) == [event("c", 1)]
    assert schedule.num_shed == 1
    schedule.trigger("b", "home", 5002, 5002)
    assert schedule.due(5002) == [event("b", 5002)]


def test_when_more_is_due_than_can_be_done_the_newest_goes_first_and_what_a_user_does_again_is_new() -> None:
    schedule = RerankSchedule(SETTINGS)
    for at_ms, user_id in ((0, "a"), (10, "b"), (20, "c"), (30, "a")):
        schedule.trigger(user_id, "home", at_ms, at_ms)
    assert schedule.due(40, limit=2) == [event("a", 0), event("c", 20)]
    assert schedule.due(5010) == [event("b", 10)]
    assert (schedule.num_coalesced, schedule.num_shed) == (1, 0)


def test_the_age_of_a_turn_begins_when_the_interval_is_over() -> None:
    found = []
    for look_ms in (6000, 6001):
        schedule = RerankSchedule(SETTINGS)
        schedule.trigger("u", "home", 0, 0)
        schedule.due(0)
        schedule.trigger("u", "home", 10, 10)
        found.append((schedule.due(look_ms), schedule.num_shed))
    assert found == [([event("u", 10)], 0), ([], 1)]


def test_a_turn_of_a_new_model_waits_however_long() -> None:
    schedule = RerankSchedule(SETTINGS)
    schedule.trigger("u", "home", 0, 0)
    schedule.due(0)
    schedule.model_changed(1000)
    assert schedule.due(60_000) == [model("u", 1000)]


def test_a_new_model_ranks_the_most_recently_active_users_the_latest_first() -> None:
    schedule = RerankSchedule(SETTINGS)
    for at_ms, user_id in enumerate(["a", "b", "c", "b"]):
        schedule.trigger(user_id, "home", at_ms, at_ms)
    schedule.due(10)
    schedule.model_changed(5000)
    assert schedule.due(5000) == [model("b", 5000), model("c", 5000)]


def test_a_user_whose_trigger_was_shed_is_active_all_the_same() -> None:
    schedule = RerankSchedule(SETTINGS)
    schedule.trigger("u", "home", 0, 9000)
    schedule.model_changed(9000)
    assert schedule.due(9000) == [model("u", 9000)]


def test_what_users_did_goes_before_a_new_model_and_the_limit_leaves_the_rest_due() -> None:
    schedule = RerankSchedule(SETTINGS)
    schedule.trigger("a", "home", 0, 0)
    schedule.due(0)
    schedule.model_changed(2000)
    schedule.trigger("b", "home", 2000, 2000)
    assert [schedule.due(2000, limit=1) for _ in range(3)] == [[event("b", 2000)], [model("a", 2000)], []]


def test_an_action_takes_over_the_turn_that_a_model_asked_for() -> None:
    schedule = RerankSchedule(SETTINGS)
    schedule.trigger("a", "home", 0, 0)
    schedule.due(0)
    schedule.model_changed(100)
    schedule.trigger("a", "home", 200, 200)
    assert [schedule.due(at_ms) for at_ms in (999, 1000, 5000)] == [[], [event("a", 200)], []]


def test_nothing_is_due_while_events_come_late_nor_shortly_after() -> None:
    schedule = RerankSchedule(SETTINGS)
    schedule.trigger("u", "home", 2000, 2000)
    schedule.chunk_taken(999, 2000)
    assert [schedule.due(at_ms) for at_ms in (2000, 2099)] == [[], []]
    schedule.chunk_taken(1099, 2099)
    assert schedule.due(2099) == [event("u", 2000)]
    schedule.trigger("v", "home", 2100, 2100)
    schedule.chunk_taken(0, 2100)
    assert [schedule.due(at_ms) for at_ms in (2199, 2200)] == [[], [event("v", 2100)]]


def test_nothing_is_due_for_a_forgotten_user() -> None:
    schedule = RerankSchedule(SETTINGS)
    schedule.trigger("u", "home", 0, 0)
    schedule.forget("u")
    schedule.forget("never-seen")
    assert schedule.due(0) == []
    schedule.model_changed(100)
    assert schedule.due(100) == []


Step = tuple[int, str]


@given(st.lists(st.tuples(st.integers(0, 700), st.sampled_from(["a", "b", "model", "look"])), max_size=60))
def test_no_surface_is_ranked_twice_within_the_interval_and_no_action_is_lost(steps: list[Step]) -> None:
    schedule = RerankSchedule(RankingSettings(rerank_interval_s=1.0, rerank_max_delay_s=60.0, rerank_active_users=2))
    now_ms, ranked, acted = 0, [], dict[str, int]()
    for wait_ms, what in [*steps, (1000, "look")]:
        now_ms += wait_ms
        if what == "model":
            schedule.model_changed(now_ms)
        elif what == "look":
            ranked += [(rerank.user_id, now_ms) for rerank in schedule.due(now_ms)]
        else:
            acted[what] = now_ms
            schedule.trigger(what, "home", now_ms, now_ms)
    for user_id, acted_at_ms in acted.items():
        times = [at_ms for user, at_ms in ranked if user == user_id]
        assert all(later - earlier >= 1000 for earlier, later in pairwise(times))
        assert times[-1] >= acted_at_ms
