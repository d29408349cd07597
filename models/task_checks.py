"""What a list of task declarations must satisfy, and what to do when it does not. Run once, when settings are read.

A task stands after the task it is given, so that heads and labels can be worked out in one pass over the list.
"""

import math
from collections.abc import Iterable, Sequence

from models.tasks import CLICK_TASK, DEFAULT_TASKS, LABEL_EVENTS, VISIT_EVENT, LabelRule, Task

__all__ = ["LOSSES_FOR", "check_tasks", "with_defaults"]

ALL_DEFAULTS = "defaults"

LOSSES_FOR = {
    "one": (
        "bce",
        "softmax_cross_entropy",
        "mse",
        "huber",
        "pairwise",
        "listwise",
        "lambda_ndcg",
        "approx_ndcg",
    ),
    "seconds": ("ordinal", "mse", "huber"),
}
"""Losses by value of the label. Distillation is no task's own: it compares with a teacher (ObjectiveConfig)."""


def with_defaults(entries: Sequence[object]) -> list[object]:
    """`entries` with the default task in place of its name, and all of them in place of "defaults".

    Raises ValueError for any other name.
    """
    default = {task.name: task for task in DEFAULT_TASKS}
    found: list[object] = []
    for entry in entries:
        if entry == ALL_DEFAULTS:
            found += DEFAULT_TASKS
        elif isinstance(entry, str) and entry not in default:
            raise ValueError(f'no default task is named {entry!r}; name "{ALL_DEFAULTS}" or {", ".join(default)}')
        else:
            found.append(default[entry] if isinstance(entry, str) else entry)
    return found


def check_tasks(tasks: Sequence[Task], windows_of: Iterable[str] = ()) -> None:
    """Raises ValueError that names the task, what is wrong with it, and what to write instead.

    `windows_of`: names of tasks whose windows are set elsewhere; they may be those of default tasks that are left out.
    """
    names = [task.name for task in tasks]
    known = {*names, *(task.name for task in DEFAULT_TASKS)}
    if unknown := sorted(set(windows_of) - known):
        raise ValueError(f"window_overrides_s: no task is named {unknown}; needed names among {sorted(known)}")
    for name in names:
        if not name.isidentifier() or names.count(name) > 1:
            raise ValueError(f"tasks are named {names}; each needs a name of its own, of letters, digits and _")
    for place, task in enumerate(tasks):
        _check_given(task, tasks[:place], names)
        _check_label(task.name, task.label)
        _check_learning(task)
    _check_click(tasks)
    visits = [task.name for task in tasks if task.is_seconds]
    if len(visits) > 1:
        raise ValueError(f"tasks {visits} all have seconds as labels; a visit has one length: keep one of them")


def _check_click(tasks: Sequence[Task]) -> None:
    click = next((task for task in tasks if task.name == CLICK_TASK), None)
    if click is None or click.given is not None or click.is_seconds:
        raise ValueError(
            f"tasks {[task.name for task in tasks]} without a task named {CLICK_TASK} over impressions; lists are "
            'ranked and judged by it: name "defaults" or "click" among labels.tasks'
        )


def _check_given(task: Task, before: Sequence[Task], names: Sequence[str]) -> None:
    if task.given is None:
        if task.rows == "given" or task.is_seconds:
            raise ValueError(
                f"task {task.name} has rows {task.rows!r} and value {task.label.value!r} but is given nothing; "
                f'set its `given` to the task that comes first, as "{CLICK_TASK}"'
            )
        return
    given = next((one for one in before if one.name == task.given), None)
    if given is None and task.given not in names:
        raise ValueError(f"task {task.name} is given {task.given!r}; the tasks are {', '.join(names)}: name one")
    if given is None:
        raise ValueError(
            f"task {task.name} is given {task.given}, which is declared after it or given it in turn; "
            "declare the task that comes first before it, and break the circle if there is one"
        )
    if given.is_seconds:
        raise ValueError(f"task {task.name} is given {given.name}, which has no yes or no; name one that has")
    if task.is_product and given.rows == "given":
        raise ValueError(
            f"task {task.name} is learned on impressions, but {given.name}, which it is given, is not; "
            f'set `rows` of {task.name} to "given", or of {given.name} to "impressions"'
        )


def _check_label(name: str, label: LabelRule) -> None:
    unknown = sorted({*label.on, *label.undone_by} - set(LABEL_EVENTS))
    if unknown or not label.on:
        raise ValueError(
            f"task {name} has labels of events {unknown or 'of no type'}; "
            f"set `on` and `undone_by` to types among {', '.join(LABEL_EVENTS)}"
        )
    if set(label.on) & set(label.undone_by):
        raise ValueError(f"task {name} is given and taken back by the same events; name each in `on` or `undone_by`")
    has_bound = label.at_least_s is not None or label.below_s is not None
    if VISIT_EVENT in label.undone_by or (label.is_of_visits and (len(label.on) > 1 or label.undone_by)):
        raise ValueError(f"task {name} mixes {VISIT_EVENT} with other events; make it a task of {VISIT_EVENT} alone")
    if label.value == "seconds" and (not label.is_of_visits or has_bound):
        raise ValueError(f'task {name} has seconds as value; set `on` to ["{VISIT_EVENT}"], without bounds')
    if label.value == "one" and label.is_of_visits != has_bound:
        raise ValueError(
            f"task {name}: `at_least_s` and `below_s` go with `on` = [{VISIT_EVENT!r}], which needs one of them"
        )
    low_s, high_s = label.at_least_s or 0.0, label.below_s if label.below_s is not None else math.inf
    if not 0 <= low_s < high_s:
        raise ValueError(f"task {name} asks for {low_s} s <= dwell < {high_s} s; put the smaller first, from 0 on")


def _check_learning(task: Task) -> None:
    if task.is_seconds and task.rows != "given":
        raise ValueError(f'task {task.name} learns seconds of visits, which few rows have; set its `rows` to "given"')
    fitting = LOSSES_FOR[task.label.value]
    if task.loss not in fitting:
        raise ValueError(
            f"task {task.name} has loss {task.loss!r}, which does not fit labels of value {task.label.value!r}; "
            f"use one of {', '.join(fitting)}"
        )
    is_fit_for_early = task.rows == "impressions" and task.loss == "bce" and not task.label.undone_by
    if task.is_early and (not is_fit_for_early or task.label.is_of_visits):
        raise ValueError(
            f"task {task.name} is learned early, but its labels may turn back or are of few rows; is_early needs rows "
            "impressions, loss bce, and events that nothing undoes: set is_early to false, or these"
        )
    if not task.window_s > 0 or not 0 <= task.loss_weight < math.inf or not math.isfinite(task.score_weight):
        raise ValueError(
            f"task {task.name} has window_s {task.window_s}, loss_weight {task.loss_weight}, score_weight "
            f"{task.score_weight}; a window above 0, a loss weight from 0 on and finite weights are needed"
        )
