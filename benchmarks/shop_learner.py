"""One learner over the seeded shop: predict each block, learn it beside replayed slates, as the trainer does.

The experiments of learning.py differ in what they show it and how it is configured; this is what they share.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.shop import SHOP_SCHEMA, Block
from models.batch import Batch
from models.finetune import FineTuneConfig, FineTuner
from models.objective import ObjectiveConfig
from models.tasks import DEFAULT_TASKS, Task

__all__ = ["Learning", "ShopLearner", "chance_auc", "mean_and_spread", "run_through"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

STEP_SLATES = 32
STEPS_PER_TEACHER = 8
Labelled = Callable[[Int64], Batch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How to learn: the trainer's way by default."""

    config: FineTuneConfig = field(
        default_factory=lambda: FineTuneConfig(objective=ObjectiveConfig(distillation_weight=0.1))
    )
    tasks: Sequence[Task] = DEFAULT_TASKS
    replay_slates: int = 64
    """Older slates in each step of 32 new ones."""


class ShopLearner:
    """A tuner, what it may replay, and the champion it stays near: itself some steps ago."""

    def __init__(self, how: Learning, seed: int) -> None:
        self.how = how
        self.tuner = FineTuner(how.config, SHOP_SCHEMA, how.tasks, device="cpu", seed=seed)
        self._rng = np.random.default_rng([seed, 2])

    def learn(self, new: Sequence[Batch], num_before: int, replayed: Labelled) -> None:
        """One step on `new`, beside replayed slates drawn from the first `num_before`."""
        num = min(self.how.replay_slates, num_before)
        old = [replayed(self._rng.choice(num_before, num, replace=False)).as_replay()] if num else []
        self.tuner.learn(Batch.concat([*new, *old]))
        if self.tuner.num_steps % STEPS_PER_TEACHER == 0:
            self.tuner.teacher = self.tuner.serving_model()


def run_through(learner: ShopLearner, shop: Block, first: int, last: int) -> dict[str, Float64]:
    """Predict, calibrate and learn slates from `first` to before `last`; float64[rows] of predictions by task.

    Labels are final at once.
    """
    found: list[dict[str, Float64]] = []
    for start in range(first, last, STEP_SLATES):
        new = shop.take(np.arange(start, min(start + STEP_SLATES, last))).batch()
        predicted = learner.tuner.predict_then_calibrate(new)
        found.append({task: p.double().numpy() for task, p in predicted.items()})
        learner.learn([new], start, lambda slates: shop.take(slates).batch())
    return {task: np.concatenate([one[task] for one in found]) for task in found[0]}


def chance_auc(chance_N: Float64, p_N: Float64) -> float:
    """AUC in expectation over the labels: each row is positive by its true chance. No noise of single labels."""
    order = np.argsort(p_N, kind="stable")
    positive, negative = chance_N[order], 1 - chance_N[order]
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / positive.sum() / negative.sum())


def mean_and_spread(values: Sequence[float]) -> dict[str, float]:
    """Over seeds."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0}
