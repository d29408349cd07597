import pytest
import torch

from models.gradient_cosine import gradient_cosines


def test_cosines_of_tasks_that_agree_oppose_and_ignore_each_other() -> None:
    weight = torch.ones(3, 1, requires_grad=True)
    losses = {
        "a": weight[0, 0] + weight[1, 0],
        "b": 2 * weight[0, 0],
        "c": -weight[0, 0] - weight[1, 0],
        "elsewhere": 5 * weight[2, 0],
    }
    found = gradient_cosines(losses, weight, 2)
    assert found == {"a/b": pytest.approx(0.5**0.5), "a/c": pytest.approx(-1.0), "b/c": pytest.approx(-(0.5**0.5))}
    losses["a"].backward()
    assert weight.grad is not None


def test_a_loss_that_is_not_finite_is_left_out() -> None:
    weight = torch.ones(2, 1, requires_grad=True)
    losses = {"a": weight.sum(), "b": weight.sum() * torch.nan}
    assert gradient_cosines(losses, weight, 2) == {}
