"""Which action led to which list, by hand-made records."""

from benchmarks.refreshes import Refresh, Refreshed, Trigger, match

INTERVAL_MS, MAX_DELAY_MS = 1000, 5000


def matched(triggers: list[Trigger], refreshes: list[Refresh]) -> Refreshed:
    return match(triggers, refreshes, interval_ms=INTERVAL_MS, max_delay_ms=MAX_DELAY_MS)


def event_list(appended_ms: int, scored_ms: int, as_of_ms: int, user: str = "u") -> Refresh:
    return Refresh(user, appended_ms, scored_ms, as_of_ms, is_of_event=True)


def test_the_first_action_that_a_list_covers_triggered_it_and_the_others_were_merged() -> None:
    first, second, other = Trigger("u", 10_000, 10_002), Trigger("u", 10_001, 10_003), Trigger("v", 10_000, 10_001)
    found = matched(
        [first, other, second], [event_list(10_012, 10_008, 10_001), event_list(10_021, 10_015, 10_050, "v")]
    )
    assert found == Refreshed(
        prompt_ms=[10, 20],
        after_turn_ms=[],
        coalesced=[second],
        shed=[],
        listed=[first, other],
        listed_wait_ms=[10, 20],
    )


def test_an_action_that_the_state_did_not_hold_yet_belongs_to_the_next_list() -> None:
    first, second = Trigger("u", 10_000, 10_002), Trigger("u", 10_005, 10_006)
    found = matched([first, second], [event_list(10_012, 10_008, 10_000), event_list(11_020, 11_010, 11_000)])
    assert found.prompt_ms == [10]
    assert found.after_turn_ms == [12]  # the turn came at 10,008 + 1,000
    assert found.listed_wait_ms == [10, 1014]


def test_a_list_for_a_new_model_starts_the_interval_and_triggers_nothing() -> None:
    trigger = Trigger("u", 10_000, 10_100)
    found = matched(
        [trigger], [Refresh("u", 9_900, 9_800, 9_700, is_of_event=False), event_list(10_830, 10_820, 10_400)]
    )
    assert (found.prompt_ms, found.after_turn_ms) == ([], [30])


def test_what_was_too_old_or_never_answered_was_shed() -> None:
    old, fresh, last = Trigger("u", 10_000, 10_000), Trigger("u", 16_000, 16_000), Trigger("u", 20_000, 20_000)
    found = matched([old, fresh, last], [event_list(16_030, 16_010, 16_000)])
    assert (found.listed, found.shed, found.prompt_ms, found.num_triggers) == ([fresh], [old, last], [30], 3)
