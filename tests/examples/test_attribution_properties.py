"""Attribution: final labels depend on which actions there were and when, never on the order in which they came."""

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.tasks import LabelRule, Task
from streams.examples.attribution import MAX_SLATE_ITEMS, act, show
from streams.examples.label_plan import LabelPlan
from streams.examples.slates import Slate, Waiting
from streams.settings import LabelSettings

KEPT = Task(name="kept", label=LabelRule(on=("order",), undone_by=("cancel",)), window_s=60)
PLAN = LabelPlan.of(LabelSettings(tasks=("defaults", KEPT)))
LATENESS_MS = 5_000
SHOWN_MS = 1_750_000_000_000
TYPES = ("click", "view", "dwell", "cart", "order", "cancel", "dislike")
ACTIONS = st.lists(
    st.builds(
        Waiting,
        type=st.sampled_from(TYPES),
        slot=st.sampled_from([1, 1, 2, 4]),
        at_ms=st.sampled_from([-5_001, -5_000, 1, 1, 60_000, 60_001, 10**9]).map(SHOWN_MS.__add__),
        dwell_s=st.sampled_from([0.0, 0.5, 3.0, 604_800.0]),
        is_final=st.booleans(),
    ),
    max_size=25,
)


def told(actions: list[Waiting], shown_after: int) -> dict[str, list[Any]]:
    """Labels of all tasks when the impression comes after so many of the actions."""
    slate = Slate("u", "s", SHOWN_MS)
    for number, action in enumerate(actions):
        if number == shown_after:
            show(slate, [1, 2, 3], SHOWN_MS, PLAN, LATENESS_MS)
        if action.type in PLAN.labelled_by:
            act(slate, action, PLAN, LATENESS_MS)
    if not slate.shown_at_ms:
        show(slate, [1, 2, 3], SHOWN_MS, PLAN, LATENESS_MS)
    return {
        name: [(PLAN.label(slate, task, place), place in slate.open_visits.get(name, ())) for place in range(3)]
        for name, task in PLAN.tasks.items()
    }


@settings(max_examples=300)
@given(ACTIONS, st.integers(0, 25), st.integers(0, 25), st.integers(0, 10**6))
def test_labels_do_not_depend_on_the_order_of_arrival(actions: list[Waiting], first: int, then: int, seed: int) -> None:
    other = list(actions)
    Random(seed).shuffle(other)

    assert told(actions, first) == told(other, then)


@settings(max_examples=200)
@given(ACTIONS)
def test_an_action_that_comes_again_changes_nothing(actions: list[Waiting]) -> None:
    twice = [action for action in actions for _ in range(2)]

    assert told(actions, 0) == told(twice, 0)


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(1, 3000), max_size=900), max_size=6))
def test_places_are_distinct_in_order_of_first_sight_and_never_beyond_the_ceiling(parts: list[list[int]]) -> None:
    slate, beyond = Slate("u", "s", SHOWN_MS), list[int]()
    for part in parts:
        beyond += show(slate, part, SHOWN_MS, PLAN, LATENESS_MS).beyond
    distinct = list(dict.fromkeys(slot for part in parts for slot in part))

    assert slate.slots == distinct[:MAX_SLATE_ITEMS]
    assert set(beyond) == set(distinct[MAX_SLATE_ITEMS:])
