import math

import numpy as np
import pytest

from models.tasks import DEFAULT_TASKS
from streams.report.headline import headline, summary
from streams.report.story import ListMeans, Story, smoothed
from tests.report.records import EDGES, cells, record, rows


def story(num: int, too_high: float = 1.0) -> Story:
    return Story.of([record(k, cells(*rows(k, too_high=too_high))) for k in range(1, num + 1)], DEFAULT_TASKS)


def test_only_tasks_with_labels_are_told_of() -> None:
    assert [task.name for task in story(2).tasks] == ["click"]


def test_figures_stand_by_round_and_are_nan_where_there_is_none() -> None:
    found = story(3)
    assert found.rounds.tolist() == [1, 2, 3]
    assert found.figure("decided", "click", "f1").tolist() == [pytest.approx(math.nan, nan_ok=True), 0.3, 0.3]
    assert np.isnan(found.figure("progressive", "order", "auc")).all()
    assert found.value("losses", "click").tolist() == [0.9, 0.9, 0.9]


def test_tables_and_lists_are_pooled_over_the_last_rounds_and_by_age() -> None:
    late = record(3, [*cells(*rows(3)), *cells(*rows(4, 50), age=4)], lists={"click": [[0, 10, 6, 5], [4, 1, 1, 1]]})
    found = Story.of([record(1, cells(*rows(1))), record(2, cells(*rows(2))), late], DEFAULT_TASKS)
    assert [found.table("click", last=last)[:, 0].sum() for last in (None, 2, 1)] == [6050, 4050, 2050]
    assert (found.ages("click"), found.table("click", age=4)[:, 0].sum()) == ([0, 4], 50)
    assert found.lists("click", last=2) == ListMeans(21, 13 / 21, 11 / 21)
    assert found.lists("click", age=4) == ListMeans(1, 1.0, 1.0)
    assert found.lists("order").lists == 0


def test_the_threshold_is_the_edge_that_the_newest_round_used() -> None:
    place = story(2).threshold_bin(EDGES, "click")
    assert place is not None
    assert EDGES[place] == pytest.approx(0.18, abs=0.03)
    assert story(1).threshold_bin(EDGES, "click") is None


def test_a_smoothed_value_is_the_weighted_mean_of_the_last_known_ones() -> None:
    nan = math.nan
    found = smoothed(np.array([nan, 1.0, 3.0, nan, 5.0]), np.array([1.0, 1.0, 3.0, 1.0, 1.0]), 3)
    assert found.tolist() == [pytest.approx(value, nan_ok=True) for value in (nan, 1.0, 2.5, 2.5, 3.5)]


def test_of_a_long_history_a_line_is_smoother() -> None:
    one = record(1, [])
    assert [Story.of([one] * num, DEFAULT_TASKS).num_smooth for num in (1, 400, 2000)] == [8, 8, 40]


def test_the_headline_says_how_good_the_clicks_are_and_whether_to_believe_them() -> None:
    assert headline(story(20)) == "Clicks: AUC .770, calibrated within 3 %"
    assert headline(story(20, too_high=1.3)) == "Clicks: AUC .770, 26 % too high on average"
    assert headline(Story.of([record(1, cells(np.zeros(9), np.full(9, 0.1)))], DEFAULT_TASKS)) == (
        "Too early to tell: 0 clicks so far"
    )


def test_the_summary_names_lists_trend_and_rounds() -> None:
    ends = ["refused", "rolled_back", *["published"] * 10]
    records = [record(k, cells(*rows(k)), decision=end) for k, end in enumerate(ends, 1)]
    ended = "10 challengers were published, 1 refused, 1 version taken back"
    assert summary(Story.of(records, DEFAULT_TASKS), champion=12) == [
        "NDCG@10 is .600 on 60 recent lists: the first click stands about at place 2.0.",
        "Between the first 2 rounds and the last, the AUC of clicks fell from .769 to .761.",
        f"Version 12 serves. 12 rounds learned 2,400 lists; {ended}.",
    ]


def test_a_task_that_promises_too_much_is_named() -> None:
    orders = {"cells": {"click": cells(*rows(1)), "order": cells(*rows(2, too_high=1.4))}}
    said = summary(Story.of([record(1, [], **orders)], DEFAULT_TASKS), champion=0)
    assert said[1] == "Not calibrated yet: order (1.37 times what happens)."
    assert said[2].startswith("No version serves yet.")
