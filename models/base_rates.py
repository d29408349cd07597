"""What is known of a task's labels before any feature: their decayed rate or mean, and what predicting it would cost.

A head starts from it, and the loss of the task is divided by its cost, so that 1 means: no better than knowing nothing.
"""

import torch
from torch import Tensor, nn

from models.ordinal import LOGITS_PER_OUTPUT
from models.targets import Targets
from models.tasks import Task

__all__ = ["MIN_RATE", "PRIOR_RATE", "BaseRates", "LabelMoments", "task_rates"]

PRIOR_ROWS = 20.0
PRIOR_RATE = 0.05
MIN_RATE = 1e-4
MIN_VARIANCE = 1e-2
# Huber's loss is half the square.
COST_OF_SQUARES = {"mse": 1.0, "huber": 0.5}
# Losses over slates are near 1 for a constant prediction (pairwise: log 2), whatever the rate.
RANKING_COST = 1.0


class BaseRates(nn.Module):
    """Decayed share of positives per output of one task; ordinal tasks have K outputs, the others one."""

    positives_K: Tensor
    rows_K: Tensor

    def __init__(self, num_outputs: int, half_life_rows: float, loss: str = "bce") -> None:
        super().__init__()
        self.half_life_rows, self.loss = half_life_rows, loss
        self.register_buffer("positives_K", torch.zeros(num_outputs, dtype=torch.float64))
        self.register_buffer("rows_K", torch.zeros(num_outputs, dtype=torch.float64))

    def observe(self, targets: Targets) -> None:
        """Adds the known labels, after decaying what was there by their number."""
        if targets.mask.dim() > 1:
            _, targets = targets.labelled()
        weight = targets.weight_N if targets.mask.dim() == 1 else targets.weight_N.unsqueeze(1)
        known = torch.where(targets.mask, weight, 0.0)
        positive = torch.where(targets.mask, weight * targets.y, 0.0)
        rows_K, positives_K = (one.sum(0, dtype=torch.float64).view(-1) for one in (known, positive))
        kept_K = torch.exp2(-rows_K / self.half_life_rows)
        self.positives_K.copy_(self.positives_K * kept_K + positives_K)
        self.rows_K.copy_(self.rows_K * kept_K + rows_K)

    def rates(self) -> Tensor:
        """float64[K] in [MIN_RATE, 1 - MIN_RATE], with a weak prior so that few rows do not decide."""
        rates_K = (self.positives_K + PRIOR_RATE * PRIOR_ROWS) / (self.rows_K + PRIOR_ROWS)
        return rates_K.clamp(MIN_RATE, 1 - MIN_RATE)

    def start(self) -> Tensor:
        """float[K]: the outputs that predict the rates."""
        return self.rates().logit().float() / (LOGITS_PER_OUTPUT if self.loss == "ordinal" else 1.0)

    def entropy(self) -> Tensor:
        """Scalar: log loss of predicting the base rate, nats, summed over outputs."""
        rates_K = self.rates()
        return -(rates_K * rates_K.log() + (1 - rates_K) * (1 - rates_K).log()).sum()

    def cost(self) -> Tensor:
        """Scalar: the task's loss when it predicts the base rate."""
        if self.loss in COST_OF_SQUARES:
            rates_K = self.rates()
            return COST_OF_SQUARES[self.loss] * (rates_K * (1 - rates_K)).sum()
        is_of_rows = self.loss in {"bce", "ordinal", "softmax_cross_entropy"}
        return self.entropy() if is_of_rows else torch.full_like(self.rows_K[0], RANKING_COST)


class LabelMoments(BaseRates):
    """The same of a regression: decayed mean and variance of its labels in place of a rate."""

    squares_K: Tensor

    def __init__(self, half_life_rows: float, loss: str) -> None:
        super().__init__(1, half_life_rows, loss)
        self.register_buffer("squares_K", torch.zeros(1, dtype=torch.float64))

    def observe(self, targets: Targets) -> None:
        """Adds the known labels, after decaying what was there by their number."""
        y_N = targets.known(targets.y)[1]
        weight_N = targets.mask.double() * targets.weight_N.double()
        kept = torch.exp2(-weight_N.sum() / self.half_life_rows)
        self.squares_K.copy_(self.squares_K * kept + (weight_N * y_N.square()).sum())
        super().observe(targets)

    def start(self) -> Tensor:
        """float[1]: the mean label."""
        return (self.positives_K / self.rows_K.clamp(min=1)).float()

    def cost(self) -> Tensor:
        """Scalar: the loss of predicting the mean label; the variance for squares."""
        rows_K = self.rows_K.clamp(min=1)
        variance_K = self.squares_K / rows_K - (self.positives_K / rows_K).square()
        return COST_OF_SQUARES[self.loss] * variance_K.clamp(min=MIN_VARIANCE).sum()


def task_rates(task: Task, num_outputs: int, half_life_rows: float) -> BaseRates:
    """What fits the task's labels and loss."""
    if task.is_seconds and task.loss != "ordinal":
        return LabelMoments(half_life_rows, task.loss)
    return BaseRates(num_outputs, half_life_rows, task.loss)
