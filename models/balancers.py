"""How much each task's loss counts beside its declared weight, by name: fixed, uncertainty, famo.

A balancer gives one factor a task, 1 on average, applied to losses that are already near 1 (objective.py). Factors
change between steps only and carry no gradient; no task falls under a floor or rises above a ceiling. What the dynamic
ones know is in buffers, so that a restart goes on the same. Gradient surgery is left out: 4.9 times the cost of a step
at five tasks, and not better than fixed weights (models.md 4).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

__all__ = ["BALANCERS", "Balancer", "Famo", "Uncertainty"]

# Of the sum of all factors: no task under 5 %, as Pareto-efficient weights have it in TorchEasyRec (models.md 4).
FLOOR_SHARE, CEILING_SHARE = 0.05, 0.6
SMALLEST_LOSS = 1e-4
# Rate of the log variances: a loss that doubles is followed within some 40 steps.
UNCERTAINTY_RATE = 0.025
# FAMO's published defaults: rate of the logits of the weights, their decay, and Adam's own constants.
FAMO_RATE, FAMO_DECAY, FAMO_BETAS, FAMO_EPSILON = 0.025, 0.01, (0.9, 0.999), 1e-8


class Balancer(nn.Module):
    """Fixed: every factor is 1. The others override `factors` and `observe`."""

    one_T: Tensor

    def __init__(self, num_tasks: int) -> None:
        super().__init__()
        self.register_buffer("one_T", torch.ones(num_tasks), persistent=False)

    def factors(self) -> Tensor:
        """float[T], mean 1: how much the losses of the next batch count. Depends on what was observed alone."""
        return self.one_T

    def observe(self, losses_T: Tensor, known_T: Tensor) -> None:
        """Takes in the losses of a batch that was learned; `known_T` bool: the task had labels in it."""


class Uncertainty(Balancer):
    """Weights 1 / (2 e^s) with s learned from loss / (2 e^s) + s / 2 (Kendall 2018): e^s follows the task's loss."""

    log_variance_T: Tensor

    def __init__(self, num_tasks: int) -> None:
        super().__init__(num_tasks)
        self.register_buffer("log_variance_T", torch.zeros(num_tasks))

    def factors(self) -> Tensor:
        """float[T], mean 1: in proportion to e^-s."""
        return bounded(torch.exp(-self.log_variance_T))

    @torch.no_grad()
    def observe(self, losses_T: Tensor, known_T: Tensor) -> None:
        """One gradient step on s."""
        slope_T = (1 - losses_T * torch.exp(-self.log_variance_T)) / 2
        self.log_variance_T -= UNCERTAINTY_RATE * torch.where(known_T, slope_T, 0.0)


class Famo(Balancer):
    """FAMO (Liu 2023) with lagged losses: tasks whose log loss falls least from batch to batch gain weight.

    With z = softmax(w), the published step minimises sum of z log(loss), so the factor of a loss is z / loss (here the
    loss before); w then descends on the drops of the log losses. The published update evaluates the batch twice; here
    the drop is between two batches (models.md 4), which costs nothing and is as good on average.
    """

    logit_T: Tensor
    log_loss_T: Tensor
    mean_T: Tensor
    square_T: Tensor
    num_steps: Tensor

    def __init__(self, num_tasks: int) -> None:
        super().__init__(num_tasks)
        for name in ("logit_T", "log_loss_T", "mean_T", "square_T"):
            self.register_buffer(name, torch.zeros(num_tasks))
        self.log_loss_T.fill_(torch.nan)
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64))

    def factors(self) -> Tensor:
        """float[T], mean 1: in proportion to z / loss, with the loss before."""
        return bounded(self.logit_T.softmax(0) / self.log_loss_T.nan_to_num(0.0).exp())

    @torch.no_grad()
    def observe(self, losses_T: Tensor, known_T: Tensor) -> None:
        """One Adam step on w along the drops of the log losses; a task's first loss gives no drop."""
        log_loss_T = losses_T.clamp(min=SMALLEST_LOSS).log()
        is_usable_T = known_T & torch.isfinite(self.log_loss_T)
        drop_T = torch.where(is_usable_T, self.log_loss_T - log_loss_T, 0.0)
        self.log_loss_T.copy_(torch.where(known_T, log_loss_T, self.log_loss_T))
        share_T = self.logit_T.softmax(0)
        slope_T = share_T * (drop_T - (share_T * drop_T).sum()) + FAMO_DECAY * self.logit_T
        self.num_steps += 1
        first, second = FAMO_BETAS
        self.mean_T.mul_(first).add_(slope_T, alpha=1 - first)
        self.square_T.mul_(second).add_(slope_T.square(), alpha=1 - second)
        mean_T = self.mean_T / (1 - first ** int(self.num_steps))
        square_T = self.square_T / (1 - second ** int(self.num_steps))
        self.logit_T -= FAMO_RATE * mean_T / (square_T.sqrt() + FAMO_EPSILON)


def bounded(raw_T: Tensor) -> Tensor:
    """float[T], mean 1: in proportion to `raw_T` > 0, but for shares of the sum that would leave floor and ceiling.

    The common scale c for which the clamped shares sum to 1 is exact: their sum is linear in c between the places where
    a share meets a bound. With very few or many tasks the bounds would contradict each other: there they give way.
    """
    num_tasks = len(raw_T)
    floor, ceiling = min(FLOOR_SHARE, 0.5 / num_tasks), max(CEILING_SHARE, 1.5 / num_tasks)
    raw = raw_T.double() / raw_T.double().sum()
    scale_B = torch.cat([floor / raw, ceiling / raw]).sort().values
    sum_B = (scale_B.unsqueeze(1) * raw).clamp(floor, ceiling).sum(1)
    above = torch.searchsorted(sum_B, torch.ones_like(sum_B[0])).clamp(1, len(sum_B) - 1)
    step = (1 - sum_B[above - 1]) / (sum_B[above] - sum_B[above - 1])
    scale = torch.lerp(scale_B[above - 1], scale_B[above], step)
    return ((scale * raw).clamp(floor, ceiling) * num_tasks).to(raw_T.dtype)


BALANCERS: Mapping[str, Callable[[int], Balancer]] = {"fixed": Balancer, "uncertainty": Uncertainty, "famo": Famo}
