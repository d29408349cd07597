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
from models.batch import Batch
from models.losses import LOSSES, bce
from models.ranker import Ranker
from models.targets import Targets
from models.tasks import Task

__all__ = ["BaseRates", "Objective", "ObjectiveConfig", "task_targets"]

PRIOR_ROWS = 20.0
PRIOR_RATE = 0.05
MIN_RATE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveConfig:
    """Weights of the terms that are not a task's own loss."""

    ranking_loss: str = "pairwise"
    """A loss over slates, by name (losses.LOSSES)."""
    ranking_weight: float = 0.3
    """Its weight beside the click task; 0 leaves it out."""
    distillation_weight: float = 0.0
    """Weight of staying near the teacher's probabilities, per binary task; .1 to .3 when used (models.md 5.3)."""
    balancer: str = "fixed"
    """How losses count beside each other from step to step, by name (balancers.BALANCERS)."""
    half_life_rows: float = 100_000.0
    """Rows after which a label counts half in the base rate."""


def task_targets(ranker: Ranker, batch: Batch, task: Task) -> Targets:
    """Labels of `task` in the form that its loss takes. A task that the batch does not mention is all masked."""
    zeros_N = torch.zeros_like(batch.weight_N)
    y, mask = batch.y.get(task.name, zeros_N), batch.mask.get(task.name, zeros_N.bool())
    if task.loss == "ordinal":
        y, mask = ranker.scale(task.name).targets(y, mask, batch.censored)
    return Targets(y=y, mask=mask, weight_N=batch.weight_N, slate_N=batch.slate_N)


class BaseRates(nn.Module):
    """Decayed share of positives per output of one task; ordinal tasks have K outputs, the others one."""

    positives_K: Tensor
    rows_K: Tensor

    def __init__(self, num_outputs: int, half_life_rows: float) -> None:
        super().__init__()
        self.half_life_rows = half_life_rows
        self.register_buffer("positives_K", torch.zeros(num_outputs, dtype=torch.float64))
        self.register_buffer("rows_K", torch.zeros(num_outputs, dtype=torch.float64))

    def observe(self, targets: Targets) -> None:
        """Adds the known labels, after decaying what was there by their number."""
        mask_NK = targets.mask.view(len(targets.mask), -1)
        y_NK = targets.known(targets.y)[1].view(mask_NK.shape)
        weight_NK = mask_NK.double() * targets.weight_N.double().unsqueeze(1)
        rows_K = weight_NK.sum(0)
        kept_K = torch.exp2(-rows_K / self.half_life_rows)
        self.positives_K.copy_(self.positives_K * kept_K + (weight_NK * y_NK).sum(0))
        self.rows_K.copy_(self.rows_K * kept_K + rows_K)

    def rates(self) -> Tensor:
        """float64[K] in [MIN_RATE, 1 - MIN_RATE], with a weak prior so that few rows do not decide."""
        rates_K = (self.positives_K + PRIOR_RATE * PRIOR_ROWS) / (self.rows_K + PRIOR_ROWS)
        return rates_K.clamp(MIN_RATE, 1 - MIN_RATE)

    def entropy(self) -> Tensor:
        """Scalar: log loss of predicting the base rate, nats, summed over outputs."""
        rates_K = self.rates()
        return -(rates_K * rates_K.log() + (1 - rates_K) * (1 - rates_K).log()).sum()


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
        rates = {t.name: BaseRates(num, config.half_life_rows) for t, num in zip(tasks, num_outputs, strict=True)}
        self.base_rates = nn.ModuleDict(rates)

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

    def forward(
        self,
        logits: Mapping[str, Tensor],
        targets: Mapping[str, Targets],
        teacher: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Scalar losses: a normalised entropy per task, `click_ranking`, `distillation`, and `total`.

        `teacher` holds the champion's uncalibrated probabilities float[N] per binary task, for the same rows as shown.
        """
        losses, total = {}, torch.zeros((), device=next(iter(logits.values())).device)
        for task, factor in zip(self.tasks, self.balancer.factors(), strict=True):
            entropy = self.rates_of(task.name).entropy().float()
            losses[task.name] = LOSSES[task.loss](logits[task.name], targets[task.name]) / entropy
            total = total + task.loss_weight * factor * losses[task.name]
        if self.config.ranking_weight and "click" in targets:
            losses["click_ranking"] = LOSSES[self.config.ranking_loss](logits["click"], targets["click"])
            total = total + self.config.ranking_weight * losses["click_ranking"]
        if self.config.distillation_weight and teacher is not None:
            losses["distillation"] = self._distillation(logits, targets, teacher)
            total = total + self.config.distillation_weight * losses["distillation"]
        return {**losses, "total": total}

    def _distillation(
        self,
        logits: Mapping[str, Tensor],
        targets: Mapping[str, Targets],
        teacher: Mapping[str, Tensor],
    ) -> Tensor:
        """Cross-entropy to the teacher over all rows, each task over its entropy and by its weight."""
        terms = []
        for task in self.tasks:
            if task.loss == "bce" and task.name in teacher:
                of_task = targets[task.name]
                soft = Targets(
                    y=teacher[task.name],
                    mask=torch.ones_like(of_task.mask),
                    weight_N=of_task.weight_N,
                    slate_N=of_task.slate_N,
                )
                entropy = self.rates_of(task.name).entropy().float()
                terms.append(task.loss_weight * bce(logits[task.name], soft) / entropy)
        return torch.stack(terms).sum()
