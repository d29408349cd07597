import math

import pytest
import torch

from models.balancers import BALANCERS, Famo, Uncertainty, bounded


@pytest.mark.parametrize("name", BALANCERS)
def test_every_balancer_starts_with_equal_factors(name: str) -> None:
    assert BALANCERS[name](4).factors().tolist() == pytest.approx([1.0] * 4)


def test_fixed_factors_stay_one() -> None:
    fixed = BALANCERS["fixed"](3)
    fixed.observe(torch.tensor([5.0, 1.0, 0.1]), torch.ones(3).bool())
    assert fixed.factors().tolist() == [1.0, 1.0, 1.0]


def test_the_log_variance_follows_the_loss() -> None:
    """s is stationary where e^s is the loss: factors are then as one over the losses."""
    made = Uncertainty(3)
    losses = torch.tensor([1.0, 2.0, 0.5])
    for _ in range(2000):
        made.observe(losses, torch.ones(3).bool())
    assert made.log_variance_T.exp().tolist() == pytest.approx(losses.tolist(), rel=1e-3)
    assert made.factors().tolist() == pytest.approx([6 / 7, 3 / 7, 12 / 7], rel=1e-2)


def test_one_step_of_uncertainty_is_the_hand_worked_one() -> None:
    made = Uncertainty(2)
    made.observe(torch.tensor([3.0, 1.0]), torch.ones(2).bool())
    assert made.log_variance_T.tolist() == pytest.approx([0.025, 0.0])


def test_famo_gives_weight_to_the_task_that_falls_least() -> None:
    """Task 0 halves its loss every step, task 1 stands still."""
    made = Famo(2)
    for step in range(40):
        made.observe(torch.tensor([0.9**step, 1.0]), torch.ones(2).bool())
    assert float(made.logit_T[1]) > 0.5 > -0.5 > float(made.logit_T[0])


def test_one_step_of_famo_is_the_hand_worked_one() -> None:
    """Drops log 2 and 0, shares 1/2: slopes +-log(2) / 4, and Adam's first step is the rate in their direction."""
    made = Famo(2)
    made.observe(torch.tensor([2.0, 1.0]), torch.ones(2).bool())
    assert made.logit_T.tolist() == [0.0, 0.0]
    made.observe(torch.tensor([1.0, 1.0]), torch.ones(2).bool())
    slope = math.log(2) / 4
    mean, square = 0.1 * slope / (1 - 0.9**2), 0.001 * slope**2 / (1 - 0.999**2)
    expected = 0.025 * mean / math.sqrt(square)
    assert made.logit_T.tolist() == pytest.approx([-expected, expected], rel=1e-4)


@pytest.mark.parametrize("name", ["uncertainty", "famo"])
def test_a_task_without_labels_moves_nothing_of_its_own(name: str) -> None:
    made = BALANCERS[name](3)
    for _ in range(30):
        made.observe(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([True, True, False]))
    assert made.factors().tolist() == pytest.approx([1.0] * 3, abs=1e-5)


def test_no_task_falls_under_the_floor_or_rises_above_the_ceiling() -> None:
    found = bounded(torch.tensor([1e6, 1.0, 1.0, 1e-6, 1.0]))
    assert float(found.sum()) == pytest.approx(5.0)
    assert (found / 5).tolist() == pytest.approx([0.6, 0.35 / 3, 0.35 / 3, 0.05, 0.35 / 3], abs=1e-3)


@pytest.mark.parametrize("num_tasks", [1, 2, 30])
def test_bounds_give_way_where_they_contradict_each_other(num_tasks: int) -> None:
    found = bounded(torch.arange(1.0, num_tasks + 1))
    assert float(found.sum()) == pytest.approx(num_tasks)
    assert bool((found > 0).all())
