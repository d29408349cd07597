"""Compiled losses against the tensors that define them: scores of float64 take those."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.losses import LOSSES
from models.targets import Targets

NUM_THRESHOLDS = 3


def targets_of(loss: str, num_rows: int, num_slates: int, seed: int) -> tuple[Tensor, Targets]:
    """Scores and targets with rows of a slate in any order, equal labels, unknown rows, and weights of 0."""
    rng = torch.Generator().manual_seed(seed)
    shape = (num_rows, NUM_THRESHOLDS) if loss == "ordinal" else (num_rows,)
    y = torch.randint(0, 3, shape, generator=rng).float() if loss == "pairwise" else torch.rand(shape, generator=rng)
    mask = torch.rand(shape, generator=rng) < 0.8
    y[~mask] = math.nan
    weight_N = torch.rand(num_rows, generator=rng) * (torch.rand(num_rows, generator=rng) < 0.9)
    slate_N = torch.randint(0, num_slates, (num_rows,), generator=rng)
    scores = 4 * torch.randn(shape, generator=rng)
    scores[~mask] = math.inf
    return scores, Targets(y=y, mask=mask, weight_N=weight_N, slate_N=slate_N)


def value_and_gradient(loss: str, scores: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    scores = scores.clone().requires_grad_()
    value = LOSSES[loss](scores, targets)
    (gradient,) = torch.autograd.grad(3 * value, scores)
    return value.detach(), gradient


@pytest.mark.parametrize("loss", ["bce", "ordinal", "pairwise"])
@given(st.integers(0, 90), st.integers(1, 9), st.integers(0, 10**6))
def test_value_and_gradient_are_those_of_the_tensors(loss: str, num_rows: int, num_slates: int, seed: int) -> None:
    scores, targets = targets_of(loss, num_rows, num_slates, seed)
    found, expected = (value_and_gradient(loss, one, targets) for one in (scores, scores.double()))
    torch.testing.assert_close(found[0].double(), expected[0].double(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1].double(), expected[1], rtol=1e-5, atol=1e-6)


def all_of(num_rows: int, y: Callable[[Tensor], Tensor]) -> Targets:
    """One slate whose rows are all known."""
    known = torch.ones(num_rows, dtype=torch.bool)
    ones_N = torch.ones(num_rows)
    return Targets(y=y(torch.arange(num_rows)), mask=known, weight_N=ones_N, slate_N=torch.zeros_like(ones_N).long())


@pytest.mark.parametrize("loss", ["bce", "pairwise"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_known_score_that_is_not_finite_is_not_hidden(loss: str, bad: float) -> None:
    targets = all_of(4, lambda n: (n == 0).float())
    for place in range(4):
        scores = torch.zeros(4)
        scores[place] = bad
        found, expected = (value_and_gradient(loss, one, targets)[0] for one in (scores, scores.double()))
        assert bool(torch.isfinite(found)) == bool(torch.isfinite(expected))


def test_the_pairs_of_a_slate_of_thousands_do_not_overflow() -> None:
    targets = all_of(3000, lambda n: (n < 3).float())
    found, expected = (
        value_and_gradient("pairwise", torch.zeros(3000, dtype=dtype), targets)
        for dtype in (torch.float32, torch.float64)
    )
    assert float(found[0]) == pytest.approx(math.log(2))
    torch.testing.assert_close(found[1].double(), expected[1], rtol=1e-4, atol=1e-9)
