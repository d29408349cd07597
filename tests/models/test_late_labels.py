import pytest
import torch
from torch.nn import functional

from models.late_labels import late_weights


def test_only_negatives_that_are_not_final_weigh_less() -> None:
    y, p = torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([0.3, 0.3, 0.3, 0.3])
    is_early = torch.tensor([True, False, True, False])
    assert late_weights(y, p, is_early).tolist() == pytest.approx([0.7, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("known_frac", [0.0, 0.5])
def test_learning_early_and_correcting_ends_at_the_true_chance(known_frac: float) -> None:
    """A constant learns rows of chance .1; positives not known at once come later, as rows of their own.

    Full batches, so the end is exact: p / (1 - p F), which is p when none is known at once.
    """
    p_true, logit = 0.1, torch.zeros(1, requires_grad=True)
    for _ in range(6000):
        of_negative = late_weights(torch.zeros(1), logit.detach().sigmoid(), torch.ones(1).bool())
        known = p_true * known_frac
        loss = known * functional.softplus(-logit) + (1 - known) * of_negative * functional.softplus(logit)
        loss = loss + (p_true - known) * functional.softplus(-logit)
        (gradient,) = torch.autograd.grad(loss.sum(), logit)
        logit = (logit - 0.5 * gradient).detach().requires_grad_()
    assert float(logit.detach().sigmoid()) == pytest.approx(p_true / (1 - p_true * known_frac), rel=1e-3)
