import math
from collections.abc import Callable

import pytest
import torch

from models.base_rates import MIN_RATE, BaseRates
from models.batch import Batch
from models.losses import bce, pairwise
from models.objective import Objective, ObjectiveConfig, task_targets
from models.ranker import Ranker
from models.targets import Targets
from models.tasks import DEFAULT_TASKS

MakeBatch = Callable[..., Batch]


def targets(y: list[float]) -> Targets:
    return Targets(
        y=torch.tensor(y),
        mask=torch.ones(len(y)).bool(),
        weight_N=torch.ones(len(y)),
        slate_N=torch.zeros(len(y)).long(),
    )


def test_base_rates_decay_so_that_old_labels_fade() -> None:
    rates = BaseRates(1, half_life_rows=100.0)
    rates.observe(targets([1.0] * 1000))
    assert float(rates.rates()) > 0.8
    for _ in range(10):
        rates.observe(targets([0.0] * 100))
    assert float(rates.rates()) < 0.06


def test_entropy_is_that_of_the_rate_in_nats() -> None:
    rates = BaseRates(1, half_life_rows=1e9)
    rates.observe(targets([1.0, 0.0, 0.0, 0.0] * 100_000))
    assert float(rates.entropy()) == pytest.approx(0.25 * math.log(4) + 0.75 * math.log(4 / 3), rel=1e-3)


def test_a_task_that_never_has_a_positive_keeps_a_rate_and_a_finite_loss() -> None:
    rates = BaseRates(1, half_life_rows=1e12)
    rates.observe(targets([0.0] * 1_000_000))
    assert float(rates.rates()) == MIN_RATE


def test_predicting_the_base_rate_costs_one_for_a_frequent_and_for_a_rare_task(
    ranker: Ranker,
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(0, num_slates=200)
    objective = Objective(ObjectiveConfig(), DEFAULT_TASKS, ranker.num_outputs)
    of_task = {task.name: task_targets(ranker, batch, task) for task in DEFAULT_TASKS}
    objective.observe(of_task)
    logits = {
        name: objective.rates_of(name).rates().logit().float().expand(batch.num_rows, -1).squeeze(1) for name in of_task
    }
    losses = objective(logits, of_task)
    for name in ("click", "dwell", "cart"):
        assert float(losses[name]) == pytest.approx(1.0, abs=0.05)
    assert float(losses["order"]) == 0  # no labels


def test_the_total_is_the_weighted_sum_of_terms(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(1)
    objective = Objective(ObjectiveConfig(ranking_weight=0.3), DEFAULT_TASKS, ranker.num_outputs)
    of_task = {task.name: task_targets(ranker, batch, task) for task in DEFAULT_TASKS}
    objective.observe(of_task)
    logits = ranker(batch)
    losses = objective(logits, of_task)
    weighed = sum(task.loss_weight * losses[task.name] for task in DEFAULT_TASKS) + 0.3 * losses["click_ranking"]
    torch.testing.assert_close(losses["total"], weighed)
    click = bce(logits["click"], of_task["click"]) / objective.rates_of("click").entropy().float()
    torch.testing.assert_close(losses["click"], click)
    torch.testing.assert_close(losses["click_ranking"], pairwise(logits["click"], of_task["click"]))


def test_distillation_pulls_towards_the_teacher_even_without_labels() -> None:
    click = DEFAULT_TASKS[:1]
    objective = Objective(ObjectiveConfig(ranking_weight=0.0, distillation_weight=0.2), click, [1])
    unknown = targets([0.0, 0.0]).with_mask(torch.tensor([False, False]))
    logits = torch.zeros(2, requires_grad=True)
    objective({"click": logits}, {"click": unknown}, {"click": torch.tensor([0.9, 0.1])})["total"].backward()
    assert logits.grad is not None
    assert logits.grad[0] < 0 < logits.grad[1]


def test_an_unknown_ranking_loss_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match=r"'hinge' is unknown; use one of bce, .*pairwise"):
        Objective(ObjectiveConfig(ranking_loss="hinge"), DEFAULT_TASKS, [1] * 5)
