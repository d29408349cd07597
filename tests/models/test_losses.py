import math

import pytest
import torch
from torch import Tensor

from models.losses import LOSSES, bce, distillation, huber, mse, ordinal, softmax_cross_entropy
from models.targets import Targets

BY_ROW = ("bce", "mse", "huber", "distillation", "pairwise", "listwise", "lambda_ndcg", "approx_ndcg")


def targets(y: list[float], weight: list[float] | None = None, mask: list[bool] | None = None) -> Targets:
    num_rows = len(y)
    return Targets(
        y=torch.tensor(y),
        mask=torch.tensor(mask or [True] * num_rows),
        weight_N=torch.tensor(weight or [1.0] * num_rows),
        slate_N=torch.zeros(num_rows).long(),
    )


def assert_loss(found: Tensor, expected: float) -> None:
    assert float(found.detach()) == pytest.approx(expected, abs=1e-6)


def test_bce_is_the_weighted_mean_of_minus_log_probabilities() -> None:
    logits = torch.tensor([0.0, math.log(3)])  # probabilities 1/2 and 3/4
    assert_loss(bce(logits, targets([1.0, 1.0], weight=[1.0, 3.0])), (math.log(2) + 3 * math.log(4 / 3)) / 4)


def test_softmax_cross_entropy_takes_class_numbers() -> None:
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    assert_loss(softmax_cross_entropy(logits, targets([0.0, 1.0])), (math.log(4 / 3) + math.log(2)) / 2)


def test_mse_is_the_mean_squared_difference() -> None:
    assert_loss(mse(torch.tensor([1.0, 3.0]), targets([0.0, 5.0])), (1 + 4) / 2)


def test_huber_is_half_the_square_near_and_linear_far() -> None:
    assert_loss(huber(torch.tensor([0.5, 3.0]), targets([0.0, 0.0])), (0.125 + 2.5) / 2)


def test_ordinal_sums_over_thresholds_the_mean_over_rows_with_that_label() -> None:
    logits = torch.zeros(2, 2)
    of_two = Targets(
        y=torch.tensor([[1.0, 0.0], [1.0, 0.0]]),
        mask=torch.tensor([[True, True], [True, False]]),
        weight_N=torch.ones(2),
        slate_N=torch.zeros(2).long(),
    )
    assert_loss(ordinal(logits, of_two), 2 * math.log(2))


def test_distillation_is_zero_when_student_and_teacher_agree_and_else_their_divergence() -> None:
    assert_loss(distillation(torch.tensor([math.log(3)]), targets([0.75])), 0.0)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert_loss(distillation(torch.tensor([0.0]), targets([0.75])), divergence)


@pytest.mark.parametrize("name", BY_ROW)
def test_a_masked_row_changes_neither_loss_nor_gradient_whatever_stands_in_it(name: str) -> None:
    scores = torch.tensor([0.3, -0.4, 0.9, 0.1])
    clean = targets([1.0, 0.0, 0.0, 1.0])
    expected = LOSSES[name](scores, clean)
    for nonsense in (math.nan, math.inf, -5.0):
        more = torch.cat([scores, torch.tensor([nonsense])]).requires_grad_()
        masked = targets([1.0, 0.0, 0.0, 1.0, nonsense], mask=[True] * 4 + [False])
        loss = LOSSES[name](more, masked)
        assert float(loss.detach()) == pytest.approx(float(expected), abs=1e-6)
        loss.backward()
        assert more.grad is not None
        assert float(more.grad[4]) == 0
        assert bool(torch.isfinite(more.grad).all())
        assert float(more.grad[:4].abs().sum()) > 0


@pytest.mark.parametrize("name", BY_ROW)
def test_a_batch_without_labels_gives_zero_and_zero_gradients(name: str) -> None:
    scores = torch.tensor([0.3, -0.4], requires_grad=True)
    loss = LOSSES[name](scores, targets([math.nan, 1.0], mask=[False, False]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert scores.grad is not None
    assert scores.grad.tolist() == [0, 0]


@pytest.mark.parametrize("name", ["bce", "mse", "huber", "distillation"])
def test_a_row_without_weight_counts_as_little_as_a_masked_one(name: str) -> None:
    scores = torch.tensor([0.3, -0.4, 0.9])
    weighed = LOSSES[name](scores, targets([1.0, 0.0, 1.0], weight=[1.0, 2.0, 0.0]))
    masked = LOSSES[name](scores, targets([1.0, 0.0, 1.0], weight=[1.0, 2.0, 1.0], mask=[True, True, False]))
    assert float(weighed) == pytest.approx(float(masked))
