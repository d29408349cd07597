"""Losses by name. Each takes scores and targets and gives one number: a weighted mean over the rows that have a label.

A masked row contributes exactly zero, whatever stands in it, and so does its gradient; a batch without labels gives
zero, never NaN. Losses over slates are in slate_losses.py; which loss a task uses is decided in objective.py.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from models.loss_kernels import bce_of_rows, can_compile, ordinal_of_rows
from models.slate_losses import approx_ndcg, lambda_ndcg, listwise, pairwise
from models.targets import Targets, weighted_mean

__all__ = ["LOSSES", "Loss", "bce", "distillation", "huber", "mse", "ordinal", "softmax_cross_entropy"]

Loss = Callable[[Tensor, Targets], Tensor]

HUBER_DELTA = 1.0


def bce(logits_N: Tensor, targets: Targets) -> Tensor:
    """Binary cross-entropy of logits against labels in [0, 1]."""
    if can_compile(logits_N):
        return bce_of_rows(logits_N, targets)
    logits, y = targets.known(logits_N)
    return weighted_mean(functional.binary_cross_entropy_with_logits(logits, y, reduction="none"), targets)


def softmax_cross_entropy(logits_NC: Tensor, targets: Targets) -> Tensor:
    """Cross-entropy over C classes; `y` holds class numbers."""
    mask_N1 = targets.mask.unsqueeze(1)
    y_N = torch.where(targets.mask, targets.y, 0.0).long()
    log_p_NC = torch.where(mask_N1, logits_NC, 0.0).log_softmax(1)
    return weighted_mean(-log_p_NC.gather(1, y_N.unsqueeze(1)).squeeze(1), targets)


def mse(scores_N: Tensor, targets: Targets) -> Tensor:
    """Squared error."""
    scores, y = targets.known(scores_N)
    return weighted_mean((scores - y).square(), targets)


def huber(scores_N: Tensor, targets: Targets) -> Tensor:
    """Squared error / 2 within 1, then linear (Huber 1964)."""
    scores, y = targets.known(scores_N)
    return weighted_mean(functional.huber_loss(scores, y, reduction="none", delta=HUBER_DELTA), targets)


def ordinal(logits_NK: Tensor, targets: Targets) -> Tensor:
    """Binary cross-entropy per threshold, summed over thresholds; `y` and `mask` are [N, K] (ordinal.py)."""
    if can_compile(logits_NK):
        return ordinal_of_rows(logits_NK, targets)
    row_R, of_rows = targets.labelled()
    logits_RK, y_RK = of_rows.known(logits_NK.index_select(0, row_R))
    losses_RK = functional.binary_cross_entropy_with_logits(logits_RK, y_RK, reduction="none")
    weight_RK = of_rows.mask * of_rows.weight_N.unsqueeze(1)
    total_K = weight_RK.sum(0)
    return ((losses_RK * weight_RK).sum(0) / torch.where(total_K > 0, total_K, 1.0)).sum()


def distillation(logits_N: Tensor, targets: Targets) -> Tensor:
    """KL(teacher || student) of two coins; `y` holds the teacher's probabilities. Zero when they agree."""
    logits, teacher = targets.known(logits_N)
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, teacher, reduction="none")
    entropy = functional.binary_cross_entropy(teacher, teacher, reduction="none")
    return weighted_mean(cross_entropy - entropy, targets)


LOSSES: Mapping[str, Loss] = {
    "bce": bce,
    "softmax_cross_entropy": softmax_cross_entropy,
    "mse": mse,
    "huber": huber,
    "ordinal": ordinal,
    "pairwise": pairwise,
    "listwise": listwise,
    "lambda_ndcg": lambda_ndcg,
    "approx_ndcg": approx_ndcg,
    "distillation": distillation,
}
