"""What the label of a place is, from declarations alone: known or not, of rows given another task, of visits."""

import pytest

from models.tasks import DEFAULT_TASKS, LABEL_EVENTS, LabelRule, Task
from streams.events.schema import EVENT_TYPES
from streams.examples.attribution import act
from streams.examples.label_plan import LabelPlan
from streams.examples.label_windows import labels_record
from streams.examples.slates import Waiting
from streams.settings import LabelSettings
from tests.examples.sample_slates import LATENESS_MS, PLAN, action, plan_of, slate

TEA, ALE = 1, 2
LONG_DWELL = Task(name="long_dwell", given="click", label=LabelRule(on=("dwell",), at_least_s=30.0), window_s=1800)


def labels(plan: LabelPlan, name: str, *actions: Waiting) -> list[float | None]:
    """Labels of tea and ale after actions."""
    shown = slate(TEA, ALE)
    for one in actions:
        act(shown, one, plan, LATENESS_MS)
    return [plan.label(shown, plan.tasks[name], place) for place in range(2)]


def dwell(seconds: float, *, is_final: bool = True) -> Waiting:
    return action("dwell", TEA, 5, seconds, is_final=is_final)


def test_label_events_are_types_of_events() -> None:
    assert set(LABEL_EVENTS) < set(EVENT_TYPES)


def test_an_event_changes_its_tasks_and_those_that_are_given_them() -> None:
    assert {kind: [task.name for task in PLAN.changed_by[kind]] for kind in ("click", "cart", "order", "view")} == {
        "click": ["click", "dwell", "cart", "order", "order_cancelled", "quick_back"],
        "cart": ["cart", "order", "order_cancelled"],
        "order": ["order", "order_cancelled"],
        "view": [],
    }


def test_the_longest_window_of_a_type_is_that_of_its_tasks() -> None:
    assert [PLAN.longest_ms(kind) for kind in ("click", "dwell", "view")] == [10_000, 20_000, None]


def test_a_cart_without_a_click_is_a_label_of_the_row() -> None:
    """Its chance is a product over all impressions, and that row came true."""
    assert labels(PLAN, "cart", action("cart", TEA, 2)) == [1.0, 0.0]
    assert labels(PLAN, "order", action("order", ALE, 2)) == [0.0, 1.0]


def test_only_ordered_places_say_whether_an_order_was_cancelled() -> None:
    assert labels(PLAN, "order_cancelled", action("cancel", TEA, 3)) == [None, None]
    log = action("order", TEA, 2), action("order", ALE, 2), action("cancel", TEA, 3)
    assert labels(PLAN, "order_cancelled", *log) == [1.0, 0.0]
    assert labels(PLAN, "order", *log) == [1.0, 1.0]
    assert labels(PLAN, "order_cancelled", *log, action("order", TEA, 4)) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("seconds", "is_final", "quick", "long"),
    [
        (4.9, True, 1, 0),
        (5, True, 0, 0),
        (30, True, 0, 1),
        (4.9, False, None, None),
        (5, False, 0, None),
        (30, False, 0, 1),
    ],
)
def test_a_visit_that_goes_on_is_known_once_it_cannot_change(
    seconds: float, quick: int | None, long: int | None, *, is_final: bool
) -> None:
    plan = plan_of(*DEFAULT_TASKS, LONG_DWELL)
    log = action("click", TEA, 1), dwell(seconds, is_final=is_final)
    assert [labels(plan, name, *log)[0] for name in ("quick_back", "long_dwell")] == [quick, long]


def test_of_visits_on_all_impressions_an_unopened_place_is_a_no_and_an_unreported_visit_unknown() -> None:
    plan = plan_of(*DEFAULT_TASKS, LONG_DWELL)
    assert labels(plan, "long_dwell", action("click", TEA, 1)) == [None, 0.0]
    assert labels(plan, "quick_back", action("click", TEA, 1)) == [None, None]


def test_a_visit_without_a_click_from_the_slate_is_no_label() -> None:
    assert labels(PLAN, "dwell", dwell(9.0)) == labels(PLAN, "quick_back", dwell(2.0)) == [None, None]


def test_labels_that_become_unknown_are_sent_as_taken_back() -> None:
    """A quick visit that turns out to go on."""
    shown = slate(TEA)
    records = []
    for one in (action("click", TEA, 1), dwell(2.0), action("dwell", TEA, 6, 4.0, is_final=False)):
        act(shown, one, PLAN, LATENESS_MS)
        records.append(labels_record(shown, "quick_back", ["", "tea"], 0, PLAN))
    told = [record and (record.revision, record.items, record.values, record.censored) for record in records]
    assert told == [None, (1, ["tea"], [1.0], None), (2, [], [], None)]


def test_one_declaration_in_the_settings_makes_labels_of_a_new_task() -> None:
    settings = LabelSettings.model_validate(
        {"tasks": ["defaults", {"name": "opened", "label": {"on": ["view", "click"]}, "window_s": 3600}]}
    )
    plan = LabelPlan.of(settings)
    assert labels(plan, "opened", action("view", ALE, 2)) == [0.0, 1.0]
    assert plan.window_ms["opened"] == 3_600_000


def test_the_labels_of_all_places_at_once_are_those_of_each_place_that_are_known() -> None:
    plan = plan_of(*DEFAULT_TASKS, LONG_DWELL)
    log = (
        action("click", TEA, 1), dwell(3.0, is_final=False), action("order", TEA, 2), action("cancel", TEA, 3),
        action("dislike", ALE, 4), dwell(31.0), action("click", ALE, 5), action("cart", ALE, 6),
    )  # fmt: skip
    for num in range(len(log) + 1):
        shown = slate(TEA, ALE)
        for one in log[:num]:
            act(shown, one, plan, LATENESS_MS)
        for task in plan.tasks.values():
            each = {place: plan.label(shown, task, place) for place in range(2)}
            known = {place: label for place, label in each.items() if label is not None}
            assert plan.known_labels(shown, task) == known, (num, task.name)
