"""Declarations that cannot be meant: what is refused, and that the message says what to do."""

import json
import math
from dataclasses import asdict, replace
from typing import Any

import pytest

from models.losses import LOSSES
from models.task_checks import LOSSES_FOR, check_tasks, with_defaults
from models.tasks import DEFAULT_TASKS, LabelRule, Task, task_from_json, task_hash

CLICK, DWELL, CART, ORDER, _, _, QUICK_BACK = DEFAULT_TASKS


def task(**fields: Any) -> Task:
    """A task named extra, of views unless said otherwise."""
    return Task(**{"name": "extra", "label": LabelRule(on=("view",)), "window_s": 60} | fields)


def visit(**bounds: float) -> LabelRule:
    return LabelRule(on=("dwell",), **bounds)  # type: ignore[arg-type]


def test_the_default_tasks_are_in_order() -> None:
    check_tasks(DEFAULT_TASKS)
    check_tasks([*DEFAULT_TASKS, task(), task(name="long", given="click", label=visit(at_least_s=30.0))])


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (task(name="click"), "each needs a name of its own"),
        (task(name="no name"), "each needs a name of its own"),
        (task(label=LabelRule(on=("share",))), r"events \['share'\]; set `on` .* among view, click"),
        (task(label=LabelRule(on=())), "of no type"),
        (task(label=LabelRule(on=("view",), undone_by=("view",))), "name each in `on` or `undone_by`"),
        (task(label=LabelRule(on=("dwell", "view"), below_s=3.0)), "make it a task of dwell alone"),
        (task(label=LabelRule(on=("view",), undone_by=("dwell",))), "make it a task of dwell alone"),
        (task(label=visit()), "needs one of them"),
        (task(label=LabelRule(on=("view",), below_s=5.0)), "go with `on`"),
        (task(label=visit(at_least_s=9.0, below_s=9.0)), "put the smaller first"),
        (task(label=visit(at_least_s=-1.0)), "put the smaller first"),
        (task(label=visit(below_s=math.nan)), "put the smaller first"),
        (task(label=LabelRule(on=("view",), value="seconds"), given="click", rows="given"), "seconds as value"),
        (task(given="shares"), "the tasks are click, .*: name one"),
        (task(given="extra"), "break the circle"),
        (task(given="dwell"), "has no yes or no"),
        (task(given="quick_back"), 'set `rows` of extra to "given"'),
        (task(rows="given"), "is given nothing"),
        (task(loss="ordinal"), "loss 'ordinal', which does not fit labels of value 'one'; use one of bce, "),
        (task(loss="hinge"), "use one of bce, "),
        (task(loss="distillation"), "use one of bce, "),
        (task(window_s=0), "a window above 0"),
        (task(loss_weight=-1.0), "a loss weight from 0 on"),
        (task(score_weight=math.nan), "finite weights are needed"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused_with_what_to_do(extra: Task, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_tasks([*DEFAULT_TASKS, extra])


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ([], "without a task named click over impressions"),
        ([replace(CLICK, name="opened")], "without a task named click"),
        ([CART, CLICK], "declared after it or given it in turn"),
        ([CLICK, replace(CART, given="order"), replace(ORDER, given="cart")], "break the circle"),
        ([CLICK, DWELL, replace(DWELL, name="stay")], r"\['dwell', 'stay'\] all have seconds"),
        ([CLICK, replace(DWELL, loss="bce")], "use one of ordinal, mse, huber"),
        ([CLICK, replace(DWELL, rows="impressions")], 'set its `rows` to "given"'),
    ],
)
def test_tasks_that_do_not_fit_each_other_are_refused(tasks: list[Task], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_tasks(tasks)


def test_every_loss_but_distillation_is_some_tasks_own() -> None:
    """Distillation compares with a teacher, whom every binary task has (ObjectiveConfig.distillation_weight)."""
    assert {name for fitting in LOSSES_FOR.values() for name in fitting} == set(LOSSES) - {"distillation"}


def test_names_stand_for_default_tasks() -> None:
    assert with_defaults(["click", task(), "defaults"]) == [CLICK, task(), *DEFAULT_TASKS]
    with pytest.raises(ValueError, match="no default task is named 'clik'; name \"defaults\" or click, dwell"):
        with_defaults(["clik"])


def test_the_hash_follows_meaning_and_not_what_may_be_tuned() -> None:
    own = task_hash(DEFAULT_TASKS)
    tuned = [replace(one, window_s=7, loss_weight=0.1, score_weight=9.0) for one in DEFAULT_TASKS]
    others = [
        [*DEFAULT_TASKS[:-1], replace(QUICK_BACK, label=visit(below_s=3.0))],
        [*DEFAULT_TASKS[:-1], replace(QUICK_BACK, rows="impressions")],
        [CLICK, DWELL, replace(CART, given=None), *DEFAULT_TASKS[3:]],
        [replace(CLICK, loss="mse"), *DEFAULT_TASKS[1:]],
        [DEFAULT_TASKS[5], *DEFAULT_TASKS[:5], QUICK_BACK],
    ]
    assert task_hash(tuned) == own
    assert own not in {task_hash(other) for other in others}
    assert len({task_hash(other) for other in others}) == len(others)


def test_a_task_comes_back_from_json() -> None:
    assert [task_from_json(json.loads(json.dumps(asdict(one)))) for one in DEFAULT_TASKS] == list(DEFAULT_TASKS)
