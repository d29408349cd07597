"""What an evaluation measures, on lists small enough to do by hand."""

import math
from typing import Any

import numpy as np
import pytest

from streams.replay.evaluation import Evaluation, lists_after_split, measure
from streams.replay.ranked_lists import RankedList

Event = dict[str, Any]


def _list(clicked: set[str], scores: list[float], p_click: list[float] | None = None) -> RankedList:
    one = RankedList("s", "u", 0, ("a", "b", "c"), clicked)
    one.scores = {
        "random": np.array([0.3, 0.1, 0.2]), "as_shown": np.array([0.0, -1.0, -2.0]), "item_ctr": np.zeros(3),
        "freshrank": np.array(scores),
    }  # fmt: skip
    one.p_click = np.array(p_click) if p_click else None
    return one


def test_ndcg_and_mrr_are_over_lists_with_a_click_and_ties_keep_the_places() -> None:
    quality = measure([_list({"c"}, [0.1, 0.2, 0.9]), _list(set(), [0.9, 0.2, 0.1]), _list({"b"}, [0.5, 0.9, 0.1])])

    third, second = 1 / math.log2(4), 1 / math.log2(3)
    assert (quality.lists, quality.lists_with_click) == (3, 2)
    assert quality.ndcg_at_10 == pytest.approx({
        "random": (second + third) / 2, "as_shown": (third + second) / 2, "item_ctr": (third + second) / 2,
        "freshrank": 1.0,
    })  # fmt: skip
    assert quality.mrr == pytest.approx({
        "random": (1 / 2 + 1 / 3) / 2, "as_shown": (1 / 3 + 1 / 2) / 2, "item_ctr": (1 / 3 + 1 / 2) / 2,
        "freshrank": 1.0,
    })  # fmt: skip


def test_probability_figures_are_over_all_lists() -> None:
    """Mean label 2 / 6; predicting exactly that has normalised entropy 1, pcoc 1 and auc .5."""
    p_click = [1 / 3, 1 / 3, 1 / 3]
    quality = measure([_list({"a", "b"}, [0.0, 0.0, 0.0], p_click), _list(set(), [0.0, 0.0, 0.0], p_click)])

    assert (quality.auc, quality.normalised_entropy, quality.pcoc) == pytest.approx((0.5, 1.0, 1.0))


def test_a_list_without_an_answer_counts_as_it_was_shown() -> None:
    one = _list({"a"}, [0.0, 0.0, 0.0])
    del one.scores["freshrank"]

    assert measure([one]).ndcg_at_10["freshrank"] == 1.0


def test_no_lists_give_nan_and_no_error() -> None:
    quality = measure([])

    assert (quality.lists, quality.lists_with_click) == (0, 0)
    assert all(math.isnan(value) for value in [*quality.ndcg_at_10.values(), *quality.mrr.values(), quality.auc])


def test_the_split_counts_lists_with_a_click_and_keeps_all_lists_after_it() -> None:
    has_click = [True, False, True, True, False, True, True, False]
    lists = [_list({"a"} if clicked else set(), [0.0, 0.0, 0.0]) for clicked in has_click]

    assert lists_after_split(lists, 0.6) == lists[5:]
    assert lists_after_split(lists, 0.0) == lists
    assert lists_after_split(lists, 1.0) == []


def _log() -> list[Event]:
    about = {"user_id": "u", "occurred_at_ms": 1}
    items = [{"item_id": item, "position": place} for place, item in enumerate("abc")]
    return [
        {**about, "type": "rank", "event_id": "1", "request_id": "s", "surface": "home", "items": items},
        {**about, "type": "impression", "event_id": "2", "slate_id": "s", "surface": "home", "items": items},
        {**about, "type": "click", "event_id": "3", "slate_id": "s", "item_id": "b"},
        {**about, "type": "rank", "event_id": "4", "request_id": "t", "surface": "home", "items": items},
    ]


def _ranking(slate_id: str, cause: str = "request", **scores: float) -> Event:
    return {
        "slate_id": slate_id, "user_id": "u", "cause": cause, "model_version": 4,
        "items": [{"item_id": i, "score": s, "predictions": {"click": s}} for i, s in scores.items()],
    }  # fmt: skip


def test_baselines_score_a_list_before_its_own_events() -> None:
    evaluation = Evaluation(seed=0)
    for event in _log():
        evaluation.take_event(event)

    first, second = evaluation.lists
    assert first.scores["item_ctr"].tolist() == [0.0, 0.0, 0.0]
    assert np.argmax(second.scores["item_ctr"]) == 1


def test_the_first_answer_to_a_request_counts_and_nothing_else_does() -> None:
    evaluation = Evaluation(seed=0)
    for event in _log():
        evaluation.take_event(event)

    taken = [
        evaluation.take_ranking(ranking)
        for ranking in (
            _ranking("s", cause="model", a=0.9), _ranking("unknown", a=0.9), _ranking("s", a=0.1, b=0.2, c=0.3),
            _ranking("s", a=0.9, b=0.9, c=0.9),
        )
    ]  # fmt: skip
    assert taken == [False, False, True, False]
    assert evaluation.lists[0].scores["freshrank"].tolist() == [0.1, 0.2, 0.3]
    assert [one.slate_id for one in evaluation.unanswered()] == ["t"]
    assert evaluation.model_versions == {4}
