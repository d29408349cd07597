import dataclasses
import json

import numpy as np
import pytest

from streams.training.evidence import Evidence, JudgedRows, ListPairs
from streams.training.gate import GateReport, judge
from streams.training.score_drift import ScoreDrift

NUM_USERS, PER_USER = 40, 25


def rows(
    challenger_shift: float = 0.0, *, challenger_noise: float = 0.0, num_users: int = NUM_USERS, seed: int = 1,
    bias: float = -1.5,
) -> JudgedRows:  # fmt: skip
    """Labels drawn from the champion's own probabilities; the challenger's logits are shifted or noisy."""
    rng = np.random.default_rng(seed)
    logit_N = rng.normal(bias, 1.0, num_users * PER_USER)
    p_N = 1 / (1 + np.exp(-logit_N))
    y_N = (rng.random(len(p_N)) < p_N).astype(float)
    changed_N = logit_N + challenger_shift + challenger_noise * rng.normal(size=len(p_N))
    return JudgedRows(y_N, p_N, 1 / (1 + np.exp(-changed_N)), np.repeat(np.arange(num_users), PER_USER))


def decide(lists: dict[str, ListPairs] | None = None, **tasks: JudgedRows) -> GateReport:
    return judge(Evidence.of({"click": rows(), **tasks}, lists or {}), Evidence(), np.random.default_rng(0))


def pairs(change: float, num: int = 200) -> ListPairs:
    rng = np.random.default_rng(3)
    before = rng.random(num)
    return ListPairs(np.arange(num) % 20, before, before + change)


def test_an_equal_challenger_is_promoted() -> None:
    """It has learned newer rows, so equal on these is good enough."""
    report = decide()
    assert (report.is_promoted, report.reason) == (True, "no task is worse beyond noise")
    assert report.tasks["click"].change == 0.0


def test_a_better_challenger_is_promoted() -> None:
    worse_champion = rows(challenger_noise=1.0)
    better = JudgedRows(worse_champion.y_N, worse_champion.challenger_N, worse_champion.champion_N,
                        worse_champion.user_N)  # fmt: skip
    report = decide(click=better)
    assert report.is_promoted
    assert report.tasks["click"].change < -0.1


def test_gate_refuses_a_challenger_that_is_worse_on_cart_and_says_by_how_much() -> None:
    report = decide(cart=rows(challenger_noise=1.0))
    assert not report.is_promoted
    cart = report.tasks["cart"]
    assert report.reason == f"cart is worse by {cart.change:.4f} normalised entropy on 1000 rows"
    assert cart.change > cart.surely_above > 0.001


def test_a_difference_within_noise_does_not_refuse() -> None:
    report = decide(click=rows(challenger_noise=0.02, num_users=8))
    assert report.is_promoted
    assert report.tasks["click"].change != 0.0


def test_one_user_who_floods_clicks_cannot_refuse_alone() -> None:
    """Users are drawn, not rows: what only one of forty users says may be noise."""
    judged = rows()
    challenger_N = judged.challenger_N.copy()
    challenger_N[:PER_USER] = np.where(judged.y_N[:PER_USER] > 0, 0.05, 0.6)
    report = decide(click=JudgedRows(judged.y_N, judged.champion_N, challenger_N, judged.user_N))
    assert report.is_promoted
    assert report.tasks["click"].change > 0.01


def test_a_challenger_that_learned_a_poisoned_burst_is_refused() -> None:
    judged = rows()
    report = decide(click=JudgedRows(judged.y_N, judged.champion_N, 1 - judged.champion_N, judged.user_N))
    assert not report.is_promoted
    assert report.reason.startswith("click is worse by ")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_challenger_that_predicts_values_that_are_not_finite_is_refused(bad: float) -> None:
    judged = rows()
    challenger_N = judged.challenger_N.copy()
    challenger_N[17] = bad
    report = decide(cart=JudgedRows(judged.y_N, judged.champion_N, challenger_N, judged.user_N))
    assert (report.is_promoted, report.reason) == (False, "cart: the challenger predicts values that are not finite")


def test_a_champion_that_predicts_nonsense_does_not_stay() -> None:
    judged = rows()
    champion_N = np.full(len(judged.y_N), np.nan)
    assert decide(click=JudgedRows(judged.y_N, champion_N, judged.challenger_N, judged.user_N)).is_promoted


def test_too_few_clicks_promote_nothing() -> None:
    judged = JudgedRows(np.array([1.0, 0.0, 0.0]), np.full(3, 0.3), np.full(3, 0.3), np.arange(3))
    report = decide(click=judged)
    assert report.reason == "click: 1 clicks among 3 judging rows; 5 of either kind are needed"
    assert not report.is_promoted


def test_no_clicks_at_all_promote_nothing() -> None:
    report = judge(Evidence.of({"cart": rows()}, {}), Evidence(), np.random.default_rng(0))
    assert report.reason == "click: 0 clicks among 0 judging rows; 5 of either kind are needed"


def test_a_task_with_too_few_positives_decides_nothing_but_is_shown() -> None:
    """On a thousand rows without an order, predicting .002 in place of .001 would look three times worse."""
    orders = JudgedRows(np.zeros(1000), np.full(1000, 0.001), np.full(1000, 0.004), np.arange(1000) % 30)
    report = decide(order=orders)
    assert report.is_promoted
    assert (report.tasks["order"].is_judged, report.tasks["order"].change > 0.1) == (False, True)


def test_a_task_without_rows_is_left_out() -> None:
    nothing = JudgedRows(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    assert list(decide(dislike=nothing).tasks) == ["click"]


def test_dwell_is_judged_by_its_squared_error_in_log_seconds() -> None:
    rng = np.random.default_rng(2)
    y_N = rng.normal(3, 1, 300)
    champion_N, challenger_N = y_N + rng.normal(0, 0.5, 300), y_N + rng.normal(0, 0.8, 300)
    dwell = JudgedRows(y_N, champion_N, challenger_N, np.arange(300) % 30, is_binary=False)
    report = decide(dwell=dwell)
    assert report.reason.startswith("dwell is worse by ")
    assert report.tasks["dwell"].champion == pytest.approx(0.25, abs=0.05)


def test_lists_that_are_ranked_worse_refuse() -> None:
    report = decide({"ndcg_at_10": pairs(-0.01)})
    assert report.reason == "ndcg_at_10 is worse by 0.0100 on 200 lists"


def test_lists_that_are_ranked_worse_by_less_than_two_thousandths_do_not_refuse() -> None:
    assert decide({"ndcg_at_10": pairs(-0.0019)}).is_promoted


def test_lists_that_do_not_define_a_figure_are_left_out() -> None:
    found = pairs(0.5, num=3)
    before = found.champion_L.copy()
    before[1] = np.nan
    nothing = ListPairs(np.arange(2), np.full(2, np.nan), np.full(2, np.nan))
    report = decide({"ndcg_at_10": ListPairs(found.user_L, before, found.challenger_L), "gauc": nothing})
    assert {name: verdict.lists for name, verdict in report.lists.items()} == {"ndcg_at_10": 2}


def calibrated(shift: float, champion_shift: float, kind: int) -> JudgedRows:
    """Click rows of one kind whose challenger and champion promise too much or too little by logits."""
    judged = rows(shift, num_users=100)
    champion = rows(champion_shift, num_users=100)
    return dataclasses.replace(judged, champion_N=champion.challenger_N, kind_N=np.full(len(judged.y_N), kind))


def test_broken_calibration_of_a_kind_refuses_when_the_champion_was_nearer() -> None:
    """Coupons promise a fifth too much; among all rows it would hardly be seen."""
    coupons, products = calibrated(0.3, 0.0, kind=1), rows(num_users=250)
    columns = {
        name: np.concatenate([getattr(products, name), getattr(coupons, name)])
        for name in ("y_N", "champion_N", "challenger_N", "user_N")
    }
    kind_N = np.repeat([0, 1], [len(products.y_N), len(coupons.y_N)])
    report = decide(cart=JudgedRows(**columns, kind_N=kind_N))
    cart = report.tasks["cart"]
    assert "cart of coupons predicts 1.2" in report.reason
    assert (0.98 < cart.pcoc_by_kind["product"] < 1.02, 1.0 < cart.pcoc < 1.1) == (True, True)


def test_calibration_as_far_off_as_the_champions_does_not_refuse() -> None:
    """When the world moves, both are off; the older one must not stay for that."""
    assert decide(cart=calibrated(0.25, 0.3, kind=0)).is_promoted


def test_scores_that_moved_far_refuse_unless_clicks_are_surely_better() -> None:
    far = ScoreDrift(rows=500, psi=0.34, top_overlap=0.8)
    equal, better = rows(), rows(challenger_noise=1.0)
    better = dataclasses.replace(better, champion_N=better.challenger_N, challenger_N=better.champion_N)
    reports = [
        judge(Evidence.of({"click": judged}, {}), Evidence(), np.random.default_rng(0), drift=far)
        for judged in (equal, better)
    ]
    assert [report.is_promoted for report in reports] == [False, True]
    assert reports[0].reason.startswith(
        "click predictions moved by 0.34 (stability index; at most 0.2) on 500 rows, and"
    )


def test_a_restored_champion_must_be_beaten_and_not_only_be_equalled() -> None:
    better = rows(challenger_noise=1.0)
    better = dataclasses.replace(better, champion_N=better.challenger_N, challenger_N=better.champion_N)
    reports = [
        judge(Evidence.of({"click": judged}, {}), Evidence(), np.random.default_rng(0), to_beat="version 3 was bad")
        for judged in (rows(), better)
    ]
    assert [report.is_promoted for report in reports] == [False, True]
    assert reports[0].reason.endswith("the champion was restored (version 3 was bad) and must be beaten")


def test_fewer_than_five_users_cannot_say_that_something_is_worse() -> None:
    assert decide(cart=rows(challenger_noise=2.0, num_users=4)).is_promoted
    assert not decide(cart=rows(challenger_noise=2.0, num_users=8)).is_promoted


def test_the_same_rows_and_seed_give_the_same_report() -> None:
    assert decide(cart=rows(challenger_noise=0.1)) == decide(cart=rows(challenger_noise=0.1))


def test_the_report_is_plain_json() -> None:
    report = decide({"ndcg_at_10": pairs(0.0)}, cart=rows())
    assert json.loads(json.dumps(report.as_json(), allow_nan=False))["tasks"]["cart"]["rows"] == 1000
