from streams.training.buffered_slate import ReadySlate
from streams.training.round_plan import MIN_CLICKS, RoundPlan, first_labels, plan_round
from tests.training.taste_world import only, ready_slates, with_labels

NO_CLICKS = [0.0] * 10
TWO_CLICKS = [1.0, 1.0, *[0.0] * 8]


def slates(num: int, clicks: list[float]) -> list[ReadySlate]:
    return [with_labels(entry, "click", clicks) for entry in ready_slates(num)]


def names(plan: RoundPlan) -> tuple[list[str], list[str]]:
    return [one.slate.slate_id for one in plan.learned], [one.slate.slate_id for one in plan.judged]


def ids(first: int, last: int) -> list[str]:
    return [f"s0-{number}" for number in range(first, last + 1)]


def test_the_newest_share_judges_and_the_rest_is_learned() -> None:
    assert names(plan_round(slates(20, TWO_CLICKS), 0.25)) == (ids(1, 15), ids(16, 20))


def test_the_judging_part_grows_until_it_has_enough_clicks() -> None:
    assert MIN_CLICKS == 5
    assert names(plan_round(slates(20, TWO_CLICKS), 0.05)) == (ids(1, 17), ids(18, 20))


def test_the_judging_part_never_exceeds_half_of_the_round() -> None:
    assert names(plan_round(slates(20, NO_CLICKS), 0.05)) == (ids(1, 10), ids(11, 20))
    assert names(plan_round(slates(4, TWO_CLICKS), 0.9)) == (ids(1, 2), ids(3, 4))


def test_a_single_slate_is_only_learned() -> None:
    """A model that has learned nothing since the last judgement must not be judged on what it would learn."""
    assert names(plan_round(slates(1, TWO_CLICKS), 0.25)) == (ids(1, 1), [])


def test_entries_of_one_slate_become_one_at_the_place_of_the_oldest() -> None:
    first, second = ready_slates(2)
    plan = plan_round([only(first, 1, "click"), only(second, 2, "click"), only(first, 3, "cart", "dwell")], 0.25)
    assert [(one.seq, one.tasks) for one in [*plan.learned, *plan.judged]] == [
        (1, ("cart", "click", "dwell")),
        (2, ("click",)),
    ]


def test_a_correction_is_learned_and_never_judges() -> None:
    entries = slates(8, TWO_CLICKS)
    corrected = only(with_labels(entries[7], "click", TWO_CLICKS, revision=2), 9, "click")
    plan = plan_round([*entries[:7], corrected], 0.25)
    assert names(plan) == ([*ids(1, 4), "s0-8"], ids(5, 7))


def test_first_labels_leave_corrected_tasks_out() -> None:
    entry = with_labels(ready_slates(1)[0], "click", TWO_CLICKS, revision=3)
    assert [one.tasks for one in first_labels([entry, only(entry, 2, "click")])] == [("cart", "dwell")]
