"""Which label an action gives: by event time, in whichever order records arrive."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tasks import DEFAULT_TASKS, LABEL_EVENTS, LabelRule, Task
from streams.examples.attribution import MAX_SLATE_ITEMS, MAX_WAITING, ShownNow, act, show
from streams.examples.slates import Slate, Waiting
from tests.examples.sample_slates import LATENESS_MS, PLAN, SHOWN_MS, action, plan_of, slate

TEA, ALE, CUP = 1, 2, 3
CLICK = DEFAULT_TASKS[0]
KEPT = Task(name="kept", label=LabelRule(on=("order",), undone_by=("cancel",)), window_s=60)


def after(*actions: Waiting) -> tuple[dict[str, dict[int, float]], list[set[str]]]:
    """Labels of a slate of tea and ale, and what each action changed."""
    shown = slate(TEA, ALE)
    changed = [act(shown, one, PLAN, LATENESS_MS) for one in actions]
    return {task: dict(sorted(held.items())) for task, held in shown.labels.items() if held}, changed


def final_labels(log: list[Waiting | None]) -> tuple[Any, ...]:
    """What a slate of tea and ale ends with; None in the log is its impression."""
    shown = slate(shown_at_ms=0)
    shown.num_parts = 0
    for one in log:
        if one is None:
            show(shown, [TEA, ALE], SHOWN_MS, PLAN, LATENESS_MS)
        else:
            act(shown, one, PLAN, LATENESS_MS)
    labels = {task: dict(sorted(held.items())) for task, held in shown.labels.items() if held}
    return labels, {task: places for task, places in shown.open_visits.items() if places}, shown.slots, shown.num_parts


def test_each_type_labels_the_tasks_declared_on_it_and_a_view_none() -> None:
    labelled = {kind: [task.name for task in PLAN.labelled_by[kind]] for kind in LABEL_EVENTS}
    assert labelled == {
        "view": [], "click": ["click"], "dwell": ["dwell", "quick_back"], "cart": ["cart"],
        "order": ["order", "order_cancelled"], "cancel": ["order_cancelled"], "dislike": ["dislike"],
    }  # fmt: skip


def test_every_task_is_labelled_at_the_place_of_the_item() -> None:
    log = [action(kind, ALE, 2) for kind in ("click", "cart", "order", "dislike")] + [action("dwell", ALE, 3, 7.5)]
    labels, changed = after(*log)
    assert labels == {
        "click": {1: 1.0}, "cart": {1: 1.0}, "order": {1: 1.0}, "dislike": {1: 1.0}, "dwell": {1: 7.5},
        "quick_back": {1: 7.5},
    }  # fmt: skip
    orders, visits = {"order", "order_cancelled"}, {"dwell", "quick_back"}
    assert changed == [{"click"}, {"cart"}, orders, {"dislike"}, visits]


@pytest.mark.parametrize(
    ("after_s", "is_labelled"), [(-5.001, False), (-5, True), (0, True), (10, True), (10.001, False)]
)
def test_a_click_counts_from_the_allowed_lateness_to_the_end_of_its_window(
    after_s: float, *, is_labelled: bool
) -> None:
    labels, _ = after(action("click", TEA, after_s))
    assert labels == ({"click": {0: 1.0}} if is_labelled else {})


def test_windows_that_are_no_whole_number_in_binary_end_at_their_millisecond() -> None:
    """1.001 * 1000 is 1000.9999999999999."""
    plan = plan_of(CLICK, click=1.001)
    found = [act(slate(TEA), action("click", TEA, after_s), plan, LATENESS_MS) for after_s in (1.001, 1.002)]
    assert found == [{"click"}, set()]


def test_an_event_that_labels_no_task_changes_nothing() -> None:
    assert act(slate(TEA), action("cart", TEA, 1), plan_of(CLICK), LATENESS_MS) == set()


def test_a_repeated_action_changes_nothing() -> None:
    assert after(action("click", TEA, 1), action("click", TEA, 2))[1] == [{"click"}, set()]


def test_what_takes_a_label_back_does_so_until_it_is_given_again() -> None:
    shown = slate(TEA)
    kinds = [("order", 1), ("cancel", 2), ("cancel", 3), ("order", 4), ("order", 2.5)]
    changed = [act(shown, action(kind, TEA, at_s), plan_of(CLICK, KEPT), LATENESS_MS) for kind, at_s in kinds]
    assert (shown.labels["kept"], changed) == ({0: 1.0}, [{"kept"}, {"kept"}, set(), {"kept"}, set()])


def test_an_order_that_arrives_after_its_cancel_is_an_order_that_was_cancelled() -> None:
    labels, changed = after(action("cancel", TEA, 2), action("order", TEA, 1))
    assert (labels, changed) == (
        {"order": {0: 1.0}, "order_cancelled": {0: 1.0}},
        [set(), {"order", "order_cancelled"}],
    )


def test_a_late_click_makes_the_dwell_of_its_place_a_label() -> None:
    """Dwell is known for clicked places only, so all have new labels."""
    log = action("dwell", TEA, 3, 7.5), action("click", TEA, 2)
    assert after(*log)[1] == [set(), {"click", "dwell", "quick_back"}]


def test_a_heartbeat_replaces_the_one_before_and_the_final_one_ends_the_visit() -> None:
    shown = slate(TEA, ALE)
    act(shown, action("click", ALE, 1), PLAN, LATENESS_MS)
    found = []
    for log in (
        action("dwell", ALE, 2, 2.0, is_final=False),
        action("dwell", ALE, 4, 4.0, is_final=False),
        action("dwell", ALE, 3, 9.0, is_final=False),
        action("dwell", ALE, 4, 4.0, is_final=True),
        action("dwell", ALE, 4, 4.0, is_final=True),
    ):
        changed = act(shown, log, PLAN, LATENESS_MS)
        found.append((changed, dict(shown.labels["dwell"]), list(shown.open_visits["dwell"])))

    assert found == [
        ({"dwell"}, {1: 2.0}, [1]),
        ({"dwell"}, {1: 4.0}, [1]),
        (set(), {1: 4.0}, [1]),
        ({"dwell", "quick_back"}, {1: 4.0}, []),
        (set(), {1: 4.0}, []),
    ]


def test_an_action_on_an_item_not_shown_yet_waits_for_its_part() -> None:
    shown = slate(TEA)
    assert act(shown, action("click", CUP, 1), PLAN, LATENESS_MS) == set()
    found = show(shown, [TEA, CUP], SHOWN_MS + 2000, PLAN, LATENESS_MS)
    assert found == ShownNow([1], [], {"click"})
    assert (shown.slots, shown.labels) == ([TEA, CUP], {"click": {1: 1.0}})
    assert (shown.num_parts, shown.shown_at_ms, shown.waiting) == (2, SHOWN_MS, [])


def test_an_impression_that_shows_nothing_new_is_no_part() -> None:
    shown = slate(TEA, ALE)
    assert show(shown, [ALE, ALE, TEA], SHOWN_MS + 1, PLAN, LATENESS_MS) == ShownNow()
    assert (shown.num_parts, shown.slots, shown.shown_at_ms) == (1, [TEA, ALE], SHOWN_MS)


def test_an_item_named_twice_in_one_impression_has_one_place() -> None:
    shown = Slate("u1", "s1", SHOWN_MS)
    assert show(shown, [TEA, ALE, TEA], SHOWN_MS, PLAN, LATENESS_MS) == ShownNow([0, 1])
    assert shown.slots == [TEA, ALE]


def test_a_flood_of_waiting_actions_is_bounded() -> None:
    shown = slate(TEA)
    for number in range(MAX_WAITING + 5):
        act(shown, action("click", 100 + number, 1), PLAN, LATENESS_MS)
    assert len(shown.waiting) == 200


def test_a_page_without_end_has_two_thousand_places_and_the_rest_is_beyond() -> None:
    shown = slate(*range(1, MAX_SLATE_ITEMS))
    act(shown, action("click", 5001, 1), PLAN, LATENESS_MS)
    found = [show(shown, slots, SHOWN_MS, PLAN, LATENESS_MS) for slots in ([7, 5000, 5001, 8], [5001, 5000, 5002])]
    assert found == [ShownNow([1999], [5001]), ShownNow([], [5001, 5002])]
    assert (len(shown.slots), shown.num_parts, shown.labels) == (2000, 2, {})
    assert [waiting.slot for waiting in shown.waiting] == [5001]


TIMES_S = st.sampled_from([-6, -5, -1, 0, 1, 2, 9.999, 10, 10.001, 20, 30, 60, 61])


def actions_of(kinds: list[str], slots: list[int]) -> st.SearchStrategy[list[Waiting]]:
    """Up to eight actions of some types on some items."""
    seconds = st.sampled_from([0.0, 3.0, 8.0])
    one = st.builds(action, st.sampled_from(kinds), st.sampled_from(slots), TIMES_S, seconds, is_final=st.booleans())
    return st.lists(one, max_size=8)


# Mixed, and crowded on one item, where the order of orders, cancels and heartbeats matters.
ACTIONS = st.one_of(
    actions_of(list(LABEL_EVENTS), [TEA, ALE, CUP]),
    actions_of(["order", "cancel"], [TEA]),
    actions_of(["dwell"], [TEA]),
)


@given(st.data(), ACTIONS)
def test_every_arrival_order_ends_with_the_same_labels(data: st.DataObject, actions: list[Waiting]) -> None:
    in_order = [None, *sorted(actions, key=lambda one: one.at_ms)]
    arrived = data.draw(st.permutations(in_order))
    assert final_labels(arrived) == final_labels(in_order)


def test_changes_of_labels_that_nobody_was_told_need_not_be_looked_for() -> None:
    shown = slate(TEA, ALE)
    act(shown, action("click", TEA, 1), PLAN, LATENESS_MS)
    changed = act(shown, action("dwell", TEA, 4, 3.0), PLAN, LATENESS_MS, among={"quick_back", "cart"})
    assert (changed, shown.labels["dwell"]) == ({"quick_back"}, {0: 3.0})
