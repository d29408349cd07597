import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from models.losses import Loss
from models.slate_losses import approx_ndcg, lambda_ndcg, listwise, pairwise, slate_pairs
from models.targets import Targets


def targets(y: list[float], slate: list[int], mask: list[bool] | None = None) -> Targets:
    return Targets(
        y=torch.tensor(y),
        mask=torch.tensor(mask or [True] * len(y)),
        weight_N=torch.ones(len(y)),
        slate_N=torch.tensor(slate),
    )


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def assert_loss(found: Tensor, expected: float) -> None:
    assert float(found.detach()) == pytest.approx(expected, abs=1e-6)


def test_pairs_are_all_pairs_of_a_slate_whatever_the_order_of_rows() -> None:
    slate_N = torch.tensor([1, 0, 1, 0, 1])
    first, second = torch.tensor([1, 1, 0, 0, 0]).bool(), torch.tensor([1, 0, 1, 1, 1]).bool()
    i, j = slate_pairs(slate_N, first, second)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(0, 2), (0, 4), (1, 3)]


def test_pairwise_is_the_mean_over_pairs_inside_a_slate_then_over_slates() -> None:
    scores = torch.tensor([2.0, 1.0, 0.0, 0.0, 3.0])
    two_slates = targets([1, 0, 1, 1, 0], [0, 0, 0, 1, 1])
    first = (softplus(1 - 2) + softplus(1 - 0)) / 2
    assert_loss(pairwise(scores, two_slates), (first + softplus(3)) / 2)


def test_pairwise_compares_grades_and_skips_slates_of_one_grade() -> None:
    scores = torch.tensor([0.0, 1.0, 2.0, 5.0, 5.0])
    graded = targets([2, 1, 0, 1, 1], [0, 0, 0, 1, 1])
    assert_loss(pairwise(scores, graded), (softplus(1) + softplus(2) + softplus(1)) / 3)


def test_listwise_is_the_cross_entropy_between_labels_and_the_softmax_of_the_slate() -> None:
    scores = torch.tensor([math.log(2), 0.0, 0.0])  # softmax 1/2, 1/4, 1/4
    assert_loss(listwise(scores, targets([1, 0, 1], [0, 0, 0])), (math.log(2) + math.log(4)) / 2)


def test_lambda_ndcg_weighs_a_pair_by_what_its_swap_changes() -> None:
    scores = torch.tensor([2.0, 1.0])  # the clicked one is second: discount 1/log2(3) instead of 1
    assert_loss(lambda_ndcg(scores, targets([0, 1], [0, 0])), (1 - 1 / math.log2(3)) * softplus(2 - 1))


def test_approx_ndcg_uses_soft_ranks() -> None:
    scores = torch.tensor([0.0, 0.0])  # soft rank 1 + 1/2 for both
    assert_loss(approx_ndcg(scores, targets([1, 0], [0, 0])), 1 - 1 / math.log2(2.5))


def test_approx_ndcg_of_a_clear_order_is_one_minus_its_ndcg() -> None:
    scores = torch.tensor([0.0, 50.0, -50.0])
    dcg, ideal = 1 / math.log2(3) + 3 / math.log2(4), 3 + 1 / math.log2(3)
    assert_loss(approx_ndcg(scores, targets([1, 0, 2], [0, 0, 0])), 1 - dcg / ideal)


@pytest.mark.parametrize("loss", [pairwise, listwise, lambda_ndcg, approx_ndcg])
def test_a_slate_without_a_positive_counts_nowhere(loss: Loss) -> None:
    scores = torch.tensor([0.4, -1.0, 0.2, 0.9], requires_grad=True)
    alone = loss(scores[:2], targets([1, 0], [0, 0]))
    together = loss(scores, targets([1, 0, 0, 0], [0, 0, 1, 1]))
    assert_loss(together, float(alone.detach()))
    only_negatives = loss(scores, targets([0, 0, 0, 0], [0, 0, 1, 1]))
    assert float(only_negatives.detach()) == 0
    (gradient,) = torch.autograd.grad(only_negatives, scores)
    assert gradient.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("loss", [pairwise, listwise, lambda_ndcg, approx_ndcg])
def test_a_step_down_the_gradient_raises_the_clicked_row(loss: Loss) -> None:
    scores = torch.tensor([0.0, 0.1, 0.2], requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(scores, targets([1, 0, 0], [0, 0, 0])), scores)
    assert gradient[0] < 0
    assert float(gradient[1:].max()) > 0


@given(st.integers(0, 2**16), st.integers(1, 6))
@settings(max_examples=40)
def test_vectorised_losses_equal_a_loop_over_slates(seed: int, num_slates: int) -> None:
    torch.manual_seed(seed)
    num_rows = 20
    slate_N = torch.randint(num_slates, (num_rows,))
    scores, y, mask = torch.randn(num_rows), torch.randint(0, 3, (num_rows,)).float(), torch.rand(num_rows) < 0.8
    found = Targets(y=y, mask=mask, weight_N=torch.ones(num_rows), slate_N=slate_N)
    pair_losses, list_losses = [], []
    for slate in range(num_slates):
        s, labels = scores[mask & (slate_N == slate)], y[mask & (slate_N == slate)]
        worse, better = torch.nonzero(labels[None, :] > labels[:, None]).T
        if len(worse):
            pair_losses.append(functional.softplus(s[worse] - s[better]).mean())
        if labels.sum() > 0:
            list_losses.append(-(labels / labels.sum() * s.log_softmax(0)).sum())
    for loss, expected in ((pairwise, pair_losses), (listwise, list_losses)):
        mean = float(torch.stack(expected).mean()) if expected else 0.0
        assert float(loss(scores, found)) == pytest.approx(mean, abs=1e-5)
