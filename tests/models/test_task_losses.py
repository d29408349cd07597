"""Any task with any loss that fits its labels: what is compared, what knowing nothing costs, that it learns."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.base_rates import BaseRates, LabelMoments, task_rates
from models.batch import Batch
from models.feature_schema import FeatureSchema
from models.finetune import FineTuneConfig, FineTuner
from models.metrics import auc, xauc
from models.objective import Objective, ObjectiveConfig, task_targets
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.targets import Targets
from models.task_checks import LOSSES_FOR
from models.tasks import DEFAULT_TASKS, Task

MakeBatch = Callable[..., Batch]
CLICK, DWELL, CART, ORDER = DEFAULT_TASKS[:4]
# Losses of rows, not of slates: a constant prediction costs them the same whatever the slate.
OF_ROWS = ("bce", "softmax_cross_entropy", "mse", "huber")


def targets(y: list[float]) -> Targets:
    num_rows = len(y)
    return Targets(
        y=torch.tensor(y),
        mask=torch.ones(num_rows).bool(),
        weight_N=torch.ones(num_rows),
        slate_N=torch.zeros(num_rows).long(),
    )


def alone(task: Task, **config: Any) -> Objective:
    return Objective(ObjectiveConfig(ranking_weight=0.0, **config), [task], [1])


@pytest.mark.parametrize("loss", OF_ROWS)
def test_predicting_the_base_rate_costs_one_whatever_the_loss(loss: str) -> None:
    objective = alone(dataclasses.replace(CLICK, loss=loss))
    y = targets([1.0] * 3_000 + [0.0] * 7_000)
    objective.observe({"click": y})
    logits = objective.start_bias(objective.tasks[0]).expand(10_000)
    assert float(objective({"click": logits}, {"click": y})["click"]) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("loss", "cost"), [("mse", 1.0), ("huber", 1.0)])
def test_predicting_the_mean_of_seconds_costs_one(loss: str, cost: float) -> None:
    rates = task_rates(dataclasses.replace(DWELL, loss=loss), 1, 1e9)
    assert isinstance(rates, LabelMoments)
    rates.observe(targets([1.0, 2.0] * 1000))
    assert float(rates.start()) == 1.5
    squares = {"mse": 0.25, "huber": 0.125}[loss]
    assert squares / float(rates.cost()) == pytest.approx(cost)


def test_squares_of_a_binary_task_are_of_its_probability() -> None:
    """P = 1/2 against labels 1 and 0, twice 1/4; the base rate 1/2 costs as much."""
    objective = alone(dataclasses.replace(CLICK, loss="mse"))
    y = targets([1.0, 0.0] * 50_000)
    objective.observe({"click": y})
    found = objective({"click": torch.full((2,), 0.0)}, {"click": targets([1.0, 0.0])})
    assert float(found["click"]) == pytest.approx(1.0, abs=1e-3)


def test_softmax_over_no_and_yes_is_binary_cross_entropy() -> None:
    logits, y = torch.tensor([0.3, -1.2, 2.0]), targets([1.0, 0.0, 0.0])
    one, other = (
        alone(dataclasses.replace(CLICK, loss=loss))({"click": logits}, {"click": y})["click"]
        for loss in ("softmax_cross_entropy", "bce")
    )
    assert float(one) == pytest.approx(float(other))


def test_with_a_teacher_the_loss_is_cross_entropy_plus_alpha_times_divergence() -> None:
    """Student 1/2, label 1, teacher 3/4: log 2 + alpha (log 2 - H(3/4)), both over the entropy of the base rate."""
    objective = alone(CLICK, distillation_weight=0.2)
    entropy = float(objective.rates_of("click").entropy())
    found = objective({"click": torch.zeros(1)}, {"click": targets([1.0])}, {"click": torch.tensor([0.75])})
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(found["total"]) == pytest.approx((math.log(2) + 0.2 * divergence) / entropy, rel=1e-5)


def test_a_product_starts_from_its_rate_given_what_it_is_given() -> None:
    objective = Objective(ObjectiveConfig(), [CLICK, CART], [1, 1])
    objective.observe({"click": targets([1.0] * 40_000 + [0.0] * 60_000)})
    objective.observe({"cart": targets([1.0] * 10_000 + [0.0] * 90_000)})
    assert float(objective.start_bias(CART).sigmoid()) == pytest.approx(0.25, abs=1e-3)


def test_a_product_more_frequent_than_what_it_is_given_stops_short_of_certain() -> None:
    objective = Objective(ObjectiveConfig(), [CLICK, CART], [1, 1])
    objective.observe({"click": targets([1.0, 0.0, 0.0, 0.0] * 1000), "cart": targets([1.0, 0.0] * 1000)})
    assert float(objective.start_bias(CART).sigmoid()) == pytest.approx(0.95)


def test_visits_that_go_on_say_nothing_to_a_regression(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    dwell = dataclasses.replace(DWELL, loss="huber")
    ranker = Ranker(RankerConfig(), schema, [CLICK, dwell])
    batch = make_batch(1)
    batch = dataclasses.replace(batch, censored=batch.mask["dwell"] & (torch.arange(batch.num_rows) % 2 == 0))
    found = task_targets(ranker, batch, dwell)
    assert torch.equal(found.mask, batch.mask["dwell"] & ~batch.censored)
    assert torch.equal(found.y, batch.y["dwell"].log1p())


def learned(tasks: list[Task], schema: FeatureSchema, make_batch: MakeBatch) -> tuple[dict[str, Any], Batch]:
    tuner = FineTuner(FineTuneConfig(), schema, tasks, device="cpu", seed=0)
    for step in range(60):
        losses = tuner.learn(make_batch(step, num_slates=32))
        assert all(map(math.isfinite, losses.values()))
    batch = make_batch(1000, num_slates=100)
    return {name: value.numpy() for name, value in tuner.serving_model().predict(batch).items()}, batch


@pytest.mark.parametrize("loss", LOSSES_FOR["one"])
def test_a_binary_task_learns_with_every_loss_that_fits(
    loss: str, schema: FeatureSchema, make_batch: MakeBatch
) -> None:
    task = dataclasses.replace(CART, given=None, loss=loss, loss_weight=1.0)
    found, batch = learned([CLICK, task], schema, make_batch)
    assert auc(batch.y["cart"].numpy(), found["cart"]) > 0.6


@pytest.mark.parametrize("loss", LOSSES_FOR["seconds"])
def test_seconds_are_learned_with_every_loss_that_fits(loss: str, schema: FeatureSchema, make_batch: MakeBatch) -> None:
    found, batch = learned([CLICK, dataclasses.replace(DWELL, loss=loss, loss_weight=1.0)], schema, make_batch)
    rows = batch.mask["dwell"].numpy()
    y, p = batch.y["dwell"].log1p().numpy()[rows], (found["dwell"] / found["click"])[rows]
    assert xauc(y, p) > 0.55
    assert float(p.mean()) == pytest.approx(float(y.mean()), rel=0.1)


def test_rates_of_all_kinds_have_one_type() -> None:
    assert all(isinstance(task_rates(task, 1, 1.0), BaseRates) for task in DEFAULT_TASKS)
