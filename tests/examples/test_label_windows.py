"""When windows close, and the labels records that say so."""

import pytest

from models.tasks import DEFAULT_TASKS
from streams.examples.attribution import act
from streams.examples.label_windows import (
    UNSHOWN_MS,
    Deadlines,
    close_due,
    labels_record,
    next_deadline_ms,
    retained_until_ms,
)
from streams.examples.records import Labels
from streams.examples.slates import Slate
from tests.examples.sample_slates import LATENESS_MS, PLAN, SHOWN_MS, action, plan_of, slate

IDS = ["", "tea", "ale", "cup"]
TEA, ALE, CUP = 1, 2, 3


def test_deadlines_come_in_order_of_time_when_they_are_due() -> None:
    deadlines = Deadlines()
    for at_ms, key in ((30, "c"), (10, "a"), (20, "b"), (10, "a")):
        deadlines.add(at_ms, Slate("u", key, created_at_ms=at_ms))
    found = [deadlines.pop_due(watermark_ms) for watermark_ms in (9, 10, 10, 10, 25, 25)]
    keys = [None, "u\0a", "u\0a", None, "u\0b", None]
    assert (found, len(deadlines), deadlines.earliest_ms) == (keys, 1, 30)


def test_the_oldest_slates_leave_first_whenever_they_are_due() -> None:
    deadlines = Deadlines()
    for at_ms, key, created_at_ms in ((900, "old", 1), (10, "new", 9), (500, "older", 0), (20, "newer", 10)):
        deadlines.add(at_ms, Slate("u", key, created_at_ms=created_at_ms))
    assert deadlines.pop_oldest(2) == ["u\0older", "u\0old"]
    assert [deadlines.pop_due(1000), deadlines.pop_due(1000), deadlines.pop_due(1000)] == ["u\0new", "u\0newer", None]


def test_windows_close_when_the_watermark_reaches_their_end_in_the_order_of_tasks() -> None:
    shown, found = slate(TEA), []
    for after_s in (9.999, 10, 30, 30, 100):
        due = close_due(shown, SHOWN_MS + int(after_s * 1000), PLAN)
        shown.revisions |= dict.fromkeys(due, 1)
        found.append((due, (next_deadline_ms(shown, PLAN) - SHOWN_MS) / 1000))
    assert found == [
        ([], 10), (["click", "order"], 20), (["dwell", "cart", "dislike", "quick_back"], 60), ([], 60),
        (["order", "order_cancelled"], 60),
    ]  # fmt: skip
    assert retained_until_ms(shown, PLAN) == SHOWN_MS + 60_000


def test_a_task_learned_early_is_sent_with_the_clicks_and_again_when_its_window_is_over() -> None:
    shown, found = slate(TEA, ALE), []
    for after_ms in (10_000, 60_000):
        for task in close_due(shown, SHOWN_MS + after_ms, PLAN):
            record = labels_record(shown, task, IDS, SHOWN_MS + after_ms, PLAN)
            if task == "order" and record is not None:
                found.append((after_ms, record.revision, record.values, record.is_closed))
    assert found == [(10_000, 1, [0.0, 0.0], False), (60_000, 2, [0.0, 0.0], True)]


def test_a_task_learned_early_is_sent_once_when_both_its_times_are_past() -> None:
    due = close_due(slate(TEA), SHOWN_MS + 10**6, PLAN)
    assert due == [task.name for task in DEFAULT_TASKS]


def test_a_slate_that_is_never_shown_closes_nothing_and_is_kept_half_an_hour() -> None:
    waiting = Slate("u", "s", SHOWN_MS)
    assert close_due(waiting, SHOWN_MS + 10**9, PLAN) == []
    assert next_deadline_ms(waiting, PLAN) == retained_until_ms(waiting, PLAN) == SHOWN_MS + UNSHOWN_MS


@pytest.mark.parametrize("window_s", [1.001, 8.2, 0.0005, 4.35, 3])
def test_at_its_deadline_a_slate_always_has_something_to_close(window_s: float) -> None:
    """Else a partition would look at the slate for ever: 1.001 * 1000 is 1000.9999999999999."""
    plan = plan_of(*DEFAULT_TASKS[:2], click=window_s, dwell=60.0)
    shown = slate(TEA)
    assert close_due(shown, next_deadline_ms(shown, plan) - 1, plan) == []
    assert close_due(shown, next_deadline_ms(shown, plan), plan) == ["click"]


def test_windows_are_whole_milliseconds() -> None:
    assert [plan_of(DEFAULT_TASKS[0], click=s).window_ms["click"] for s in (8.2, 1.001, 60.0)] == [8200, 1001, 60_000]


def test_labels_cover_all_places_and_their_revision_grows() -> None:
    shown = slate(TEA, ALE)
    records = []
    for one in (action("click", ALE, 1), action("click", TEA, 2)):
        act(shown, one, PLAN, LATENESS_MS)
        records.append(labels_record(shown, "click", IDS, SHOWN_MS + 9, PLAN))

    assert records == [
        Labels(
            slate_id="s1",
            user_id="u1",
            task="click",
            revision=revision,
            items=["tea", "ale"],
            values=values,
            is_closed=False,
            shown_at_ms=SHOWN_MS,
            watermark_ms=SHOWN_MS + 9,
        )
        for revision, values in ((1, [0.0, 1.0]), (2, [1.0, 1.0]))
    ]


def test_dwell_labels_cover_clicked_places_with_a_visit_and_say_which_go_on() -> None:
    shown = slate(CUP, TEA, ALE)
    for one in (
        action("dwell", ALE, 3, 4.5, is_final=False),
        action("dwell", CUP, 3, 9.0),
        action("click", ALE, 1),
        action("click", TEA, 1),
        action("dwell", TEA, 2, 1.5),
    ):
        act(shown, one, PLAN, LATENESS_MS)
    record = labels_record(shown, "dwell", IDS, 0, PLAN)
    assert record is not None
    assert (record.items, record.values, record.censored) == (["tea", "ale"], [1.5, 4.5], [False, True])


def test_dwell_without_any_visit_is_not_sent() -> None:
    shown = slate(TEA)
    act(shown, action("click", TEA, 1), PLAN, LATENESS_MS)
    assert labels_record(shown, "dwell", IDS, 0, PLAN) is None
    assert shown.revisions == {}


def test_a_task_that_nobody_answered_is_sent_as_zeros() -> None:
    shown = slate(TEA, ALE)
    close_due(shown, SHOWN_MS + 10**6, PLAN)
    record = labels_record(shown, "order", IDS, 0, PLAN)
    assert record is not None
    assert (record.values, record.censored, record.is_closed) == ([0.0, 0.0], None, True)
