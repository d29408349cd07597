"""The chaos suite in short, and that its plan and its audit are what they claim to be."""

from pathlib import Path
from typing import Any

import pytest

from streams.ranking.record import Ranking
from tests.chaos import audit
from tests.chaos.outcome import Outcome
from tests.chaos.plan import ALL_FAULTS, KILLS, WORKER_KILLS, make_plan
from tests.chaos.run import run
from tests.chaos.site import Layout
from tests.recovery.role_nursery import RoleNursery


@pytest.mark.integration
@pytest.mark.timeout(600)
async def test_whatever_dies_under_load_everything_counts_once(tmp_path: Path, nursery: RoleNursery) -> None:
    """`make chaos` is the same with 200 kills and every fault."""
    plan = make_plan(7, 6, {**WORKER_KILLS, "kill_trainer": 0.3, "pause_worker": 0.2})
    report = await run(nursery, tmp_path, Layout(is_spread=False, num_workers=2), plan, seed=7, say=print)

    assert report.wrong[:5] == []
    assert report.kills.total() == 6
    assert report.num_events > 100


def test_a_seed_gives_one_plan_with_as_many_kills_as_asked_for() -> None:
    plan = make_plan(3, 50, ALL_FAULTS)

    assert plan == make_plan(3, 50, ALL_FAULTS)
    assert plan != make_plan(4, 50, ALL_FAULTS)
    assert sum(step.fault in KILLS for step in plan) == 50
    assert plan[-1].fault in KILLS
    assert {step.fault for step in make_plan(3, 500, ALL_FAULTS)} == set(ALL_FAULTS)


def event(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": f"e{number}", "user_id": "u", "occurred_at_ms": number, **fields}


EVENTS = [
    event("rank", 1, request_id="s", surface="home"),
    event("impression", 2, slate_id="s", surface="home", items=[{"item_id": "i", "position": 0}]),
    event("click", 3, item_id="i", slate_id="s"),
]
ROW = {
    "impressions_total": 1,
    "views_total": 0,
    "clicks_total": 1,
    "carts_total": 0,
    "orders_total": 0,
    "dwell_ms_total": 0,
}


def outcome(**changed: Any) -> Outcome:
    """What the three events above come to."""
    right: dict[str, Any] = {
        "events": [],
        "user_rows": {f"u.{column}": value for column, value in ROW.items()},
        "item_rows": {f"i.{column}": value for column, value in ROW.items()},
        "shown": {"s/0": ("u", ["i"], [0])},
        "labels": {"s/click": (1, ["i"], [1.0], True)},
        "refused": {"0:7": "missing_field"},
        "rankings": [],
        "announced": {3},
    }
    return Outcome(**{**right, **changed})


BUFFER = ({"s/0": ("u", ["i"], [0])}, {"s/click": (1, ["i"], [1.0], True)}, ["s"])


def test_a_run_like_the_straight_one_has_nothing_wrong() -> None:
    assert audit.wrong_outcome(outcome(), outcome()) == []
    assert audit.wrong_totals(EVENTS, outcome()) == []
    assert audit.wrong_buffer(BUFFER, outcome()) == []
    assert audit.lost_events(EVENTS, EVENTS) == []


def test_the_audit_names_what_was_counted_twice_or_lost() -> None:
    twice = {**outcome().user_rows, "u.clicks_total": 2}

    assert audit.wrong_totals(EVENTS, outcome(user_rows=twice)) == [
        "user u: clicks_total is 2 in Feast, and 1 in the log"
    ]
    assert audit.wrong_outcome(outcome(user_rows=twice, refused={}), outcome()) == [
        "row of user u.clicks_total: found 2, a straight run gives 1",
        "refused record 0:7: found nothing, a straight run gives missing_field",
    ]
    assert audit.lost_events(EVENTS, EVENTS[1:]) == ["event e1 was sent and is not in the log"]


def test_the_audit_names_wrong_labels_and_slates_that_are_there_twice() -> None:
    unlabelled = (BUFFER[0], {"s/click": (1, ["i"], [0.0], True)}, ["s", "s"])

    assert audit.wrong_buffer(unlabelled, outcome()) == [
        "slate s became learnable twice",
        "labels in the buffer s/click: found (1, ['i'], [0.0], True), a straight run gives (1, ['i'], [1.0], True)",
    ]


def test_the_audit_names_models_nobody_published_and_requests_nobody_answered() -> None:
    def ranking(slate: str, version: int) -> Ranking:
        return Ranking(
            slate_id=slate, user_id="u", surface="home", items=[], model_version=version, features_as_of_ms=0,
            watermark_ms=0, scored_at_ms=0, cause="request", score_weights={},
        )  # fmt: skip

    assert audit.wrong_rankings(EVENTS, outcome(rankings=[ranking("s", 0), ranking("s", 3)])) == []
    assert audit.wrong_rankings(EVENTS, outcome(rankings=[ranking("x", 2)])) == [
        "ranking x is by model 2, which was never published",
        "request s was never answered",
    ]


def test_users_and_items_of_events_are_found() -> None:
    assert audit.entities(EVENTS) == (["u"], ["i"])
