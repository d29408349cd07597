"""What a step minimises: each task's loss over its base-rate entropy, times its weight, plus a pair term for clicks.

Dividing by the entropy of the (decayed) base rate makes every term a normalised entropy near 1, so that a rare task is
neither drowned nor shouting; the declared weights then mean what they say (models.md 4). The pair term ranks inside
the slate without costing calibration (models.md 11.3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.balancers import BALANCERS
from models.base_rates import MIN_RATE, PRIOR_RATE, BaseRates, task_rates
from models.batch import Batch
from models.losses import LOSSES, bce, distillation
from models.ranker import TASTE, Ranker
from models.targets import Targets
from models.tasks import CLICK_TASK, Task

__all__ = ["Objective", "ObjectiveConfig", "task_targets"]

MAX_RATE_GIVEN = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveConfig:
    """Weights of the terms that are not a task's own loss."""

    ranking_loss: str = "pairwise"
    """A loss over slates, by name (losses.LOSSES)."""
    ranking_weight: float = 0.3
    """Its weight beside the click task; 0 leaves it out."""
    taste_weight: float = 1.0
    """Weight of the taste layer's own click loss (its share of the ranking loss included), so that it stands alone."""
    distillation_weight: float = 0.0
    """Weight of staying near the teacher's probabilities, per binary task; .1 to .3 when used (models.md 5.3)."""
    balancer: str = "fixed"
    """How losses count beside each other from step to step, by name (balancers.BALANCERS)."""
    half_life_rows: float = 100_000.0
    """Rows after which a label counts half in the base rate."""


def task_targets(ranker: Ranker, batch: Batch, task: Task) -> Targets:
    """Labels of `task` in the form that its loss takes. A task that the batch does not mention is all masked.

    Seconds of a visit that goes on say which thresholds it has passed, and nothing to a regression.
    """
    zeros_N = torch.zeros_like(batch.weight_N)
    y, mask = batch.y.get(task.name, zeros_N), batch.mask.get(task.name, zeros_N.bool())
    if task.loss == "ordinal":
        y, mask = ranker.scale(task.name).targets(y, mask, batch.censored)
    elif task.is_seconds:
        y, mask = y.log1p(), mask & ~batch.censored
    return Targets(y=y, mask=mask, weight_N=batch.weight_N, slate_N=batch.slate_N)


class Objective(nn.Module):
    """Losses of a batch by name, and their weighted total. Its state is the base rates and what the balancer knows."""

    def __init__(self, config: ObjectiveConfig, tasks: Sequence[Task], num_outputs: Sequence[int]) -> None:
        super().__init__()
        if config.ranking_loss not in LOSSES:
            raise ValueError(f"ranking loss {config.ranking_loss!r} is unknown; use one of {', '.join(LOSSES)}")
        if config.balancer not in BALANCERS:
            raise ValueError(f"balancer {config.balancer!r} is unknown; use one of {', '.join(BALANCERS)}")
        self.config, self.tasks = config, tuple(tasks)
        self.balancer = BALANCERS[config.balancer](len(tasks))
        made = zip(tasks, num_outputs, strict=True)
        self.base_rates = nn.ModuleDict({t.name: task_rates(t, num, config.half_life_rows) for t, num in made})

    def rates_of(self, task: str) -> BaseRates:
        """The base rates of a task."""
        rates = self.base_rates[task]
        assert isinstance(rates, BaseRates)  # noqa: S101  the only kind put there
        return rates

    def observe(self, targets: Mapping[str, Targets]) -> None:
        """Adds the labels to the base rates."""
        for name, of_task in targets.items():
            self.rates_of(name).observe(of_task)

    def task_weights(self) -> dict[str, float]:
        """What each task's loss is multiplied with in the next step: its declared weight times the balancer's."""
        factors = self.balancer.factors().tolist()
        return {task.name: task.loss_weight * factor for task, factor in zip(self.tasks, factors, strict=True)}

    def balance(self, losses: Mapping[str, Tensor], targets: Mapping[str, Targets]) -> None:
        """Takes in the losses of a step that was made."""
        losses_T = torch.stack([losses[task.name].detach() for task in self.tasks])
        self.balancer.observe(losses_T, torch.stack([targets[task.name].mask.any() for task in self.tasks]))

    def start_bias(self, task: Task) -> Tensor:
        """float[K]: the head's bias with which the task predicts its base rate; of a product, the rate given its task.

        A rate given its task that is above 1 (most carts come without a click) stops short of it.
        """
        start_K = self.rates_of(task.name).start()
        if not task.is_product:
            return start_K
        return (start_K.sigmoid() / self._rate(task.given)).clamp(MIN_RATE, MAX_RATE_GIVEN).logit()

    def _rate(self, name: str | None) -> float:
        """The rate at which a task over impressions is predicted: without labels, the prior given what it is given."""
        if name is None:
            return 1.0
        rates, task = self.rates_of(name), next(task for task in self.tasks if task.name == name)
        return float(rates.rates()[0]) if bool(rates.rows_K.any()) else PRIOR_RATE * self._rate(task.given)

    def forward(
        self,
        logits: Mapping[str, Tensor],
        targets: Mapping[str, Targets],
        teacher: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Scalar losses: a normalised entropy per task, `click_ranking`, `taste`, `distillation`, `total`.

        `teacher` holds the champion's uncalibrated probabilities float[N] per binary task, for the same rows as shown.
        """
        losses, total = {}, torch.zeros((), device=next(iter(logits.values())).device)
        for task, factor in zip(self.tasks, self.balancer.factors(), strict=True):
            loss = LOSSES[task.loss](_scores(task, logits[task.name]), targets[task.name])
            rates = self.rates_of(task.name)
            losses[task.name] = loss / rates.cost().float()
            # What never came true teaches its rate alone, which calibration follows: its pull would be all noise.
            can_teach = rates.positives_K.any() | ~rates.rows_K.any()
            total = total + task.loss_weight * factor * can_teach * losses[task.name]
        if self.config.ranking_weight and CLICK_TASK in targets:
            losses["click_ranking"] = LOSSES[self.config.ranking_loss](logits[CLICK_TASK], targets[CLICK_TASK])
            total = total + self.config.ranking_weight * losses["click_ranking"]
        if TASTE in logits and CLICK_TASK in targets:
            losses[TASTE] = self._taste(logits[TASTE], targets[CLICK_TASK])
            total = total + self.config.taste_weight * losses[TASTE]
        if self.config.distillation_weight and teacher is not None:
            losses["distillation"] = self._distillation(logits, targets, teacher)
            total = total + self.config.distillation_weight * losses["distillation"]
        return {**losses, "total": total}

    def _taste(self, logit_N: Tensor, targets: Targets) -> Tensor:
        entropy = bce(logit_N, targets) / self.rates_of(CLICK_TASK).cost().float()
        return entropy + self.config.ranking_weight * LOSSES[self.config.ranking_loss](logit_N, targets)

    def _distillation(
        self,
        logits: Mapping[str, Tensor],
        targets: Mapping[str, Targets],
        teacher: Mapping[str, Tensor],
    ) -> Tensor:
        """KL from the teacher over all rows, each task over its entropy and by its weight; 0 when they agree."""
        terms = []
        for task in self.tasks:
            if not task.is_seconds and task.name in teacher:
                of_task = targets[task.name]
                soft = Targets(
                    y=teacher[task.name],
                    mask=torch.ones_like(of_task.mask),
                    weight_N=of_task.weight_N,
                    slate_N=of_task.slate_N,
                )
                entropy = self.rates_of(task.name).entropy().float()
                terms.append(task.loss_weight * distillation(logits[task.name], soft) / entropy)
        return torch.stack(terms).sum()


def _scores(task: Task, logits: Tensor) -> Tensor:
    """What the task's loss compares with labels of its kind: logits, probabilities, or two classes."""
    if not task.is_seconds and task.loss in {"mse", "huber"}:
        return logits.sigmoid()
    if task.loss == "softmax_cross_entropy":
        return torch.stack([torch.zeros_like(logits), logits], 1)
    return logits
